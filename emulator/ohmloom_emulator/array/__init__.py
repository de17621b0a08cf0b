"""The crossbar array: cells, wires and what they do to voltages and currents."""

from .crossbar import Crossbar
from .ladder import row_ladder
from .netlist import nonlinear_netlist
from .nonlinear import NonlinearSolution, half_select, solve_nonlinear

__all__ = ["Crossbar", "NonlinearSolution", "half_select", "nonlinear_netlist", "row_ladder", "solve_nonlinear"]
