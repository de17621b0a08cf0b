"""The crossbar array: cells, wires and what they do to voltages and currents."""

from .crossbar import Crossbar
from .ladder import row_ladder

__all__ = ["Crossbar", "row_ladder"]
