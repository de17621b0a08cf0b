"""Models of memristor cells behind one interface, `CellModel`, and as the cells of a tile, `ArrayCell`."""

from .compact import CompactArrayCell
from .interface import ArrayCell, CellModel, Devices
from .linear_drift import LinearDrift
from .messaris import Messaris
from .of_spec import cells_of
from .reliability import Reliability, Telegraph
from .stanford_pku import StanfordPKU
from .statistical import Statistical
from .vteam import VTEAM
from .windows import Biolek, Joglekar, NoWindow, Prodromakis, Window
from .yakopcic import Yakopcic

__all__ = [
    "VTEAM",
    "ArrayCell",
    "Biolek",
    "CellModel",
    "CompactArrayCell",
    "Devices",
    "Joglekar",
    "LinearDrift",
    "Messaris",
    "NoWindow",
    "Prodromakis",
    "Reliability",
    "StanfordPKU",
    "Statistical",
    "Telegraph",
    "Window",
    "Yakopcic",
    "cells_of",
]
