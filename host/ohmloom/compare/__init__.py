"""Memristors against traditional machines: energy, latency and throughput of one network, from measurements and citations."""

from ohmloom.compare.comparison import Comparison, compare
from ohmloom.compare.figures import FIGURES, Figure
from ohmloom.compare.machines import Result

__all__ = ["FIGURES", "Comparison", "Figure", "Result", "compare"]
