"""From a trained model to what a chip holds: placement, conductances, integer scales."""

from ohmloom.compiler.mapping import compile_model
from ohmloom.compiler.network import Network

__all__ = ["Network", "compile_model"]
