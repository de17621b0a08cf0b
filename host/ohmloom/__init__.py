"""ohmloom: train, map, program and run neural networks on memristor crossbars.

chip = ohmloom.connect("emu://lab-128x128x4")
network = ohmloom.compile(model, chip.spec, X_calibration)
report = chip.program(network)
y = chip.infer(X)
"""

from typing import TYPE_CHECKING, Any

from ohmloom.chip import Chip, connect, record
from ohmloom.compiler import FaultMap, Network
from ohmloom.compiler import compile_model as compile  # noqa: A004 - `ohmloom.compile` is the public name
from ohmloom.errors import ArgumentError, ChipError, Error, LinkError, ReplayError, SpecError, StateError
from ohmloom.importers import from_torch, load_onnx
from ohmloom.model import Layer, Model, from_sklearn
from ohmloom.program_report import ProgramReport
from ohmloom.spec import ChipSpec, load_chip

if TYPE_CHECKING:
    from ohmloom.estimators import CrossbarMLPClassifier, CrossbarMLPRegressor

__all__ = [
    "ArgumentError",
    "Chip",
    "ChipError",
    "ChipSpec",
    "CrossbarMLPClassifier",
    "CrossbarMLPRegressor",
    "Error",
    "FaultMap",
    "Layer",
    "LinkError",
    "Model",
    "Network",
    "ProgramReport",
    "ReplayError",
    "SpecError",
    "StateError",
    "compile",
    "connect",
    "from_sklearn",
    "from_torch",
    "load_chip",
    "load_onnx",
    "record",
]


def __getattr__(name: str) -> Any:
    """The estimators come on first use: they need scikit-learn, which is an extra."""
    if name in ("CrossbarMLPClassifier", "CrossbarMLPRegressor"):
        try:
            from ohmloom import estimators
        except ImportError as error:
            raise ImportError(f"ohmloom.{name} needs scikit-learn: pip install 'ohmloom[ml]'") from error
        return getattr(estimators, name)
    raise AttributeError(f"module 'ohmloom' has no attribute {name!r}")
