"""From a trained model to what a chip holds: placement, conductances, integer scales."""

from ohmloom.compiler.cells import WeightCells, weight_cells
from ohmloom.compiler.faults import FaultMap, compensated
from ohmloom.compiler.mapping import compile_model
from ohmloom.compiler.network import Network

__all__ = ["FaultMap", "Network", "WeightCells", "compensated", "compile_model", "weight_cells"]
