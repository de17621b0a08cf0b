"""Models of memristor cells behind one interface, `CellModel`."""

from .interface import CellModel
from .linear_drift import LinearDrift
from .messaris import Messaris
from .stanford_pku import StanfordPKU
from .statistical import Devices, Statistical
from .vteam import VTEAM
from .windows import Biolek, Joglekar, NoWindow, Prodromakis, Window
from .yakopcic import Yakopcic

__all__ = [
    "VTEAM",
    "Biolek",
    "CellModel",
    "Devices",
    "Joglekar",
    "LinearDrift",
    "Messaris",
    "NoWindow",
    "Prodromakis",
    "StanfordPKU",
    "Statistical",
    "Window",
    "Yakopcic",
]
