"""Fitting a cell model to measurements of real devices: `ohmloom fit-device`.

`measurements` reads the CSV file, `trains` puts it in order, `models` lists what each model can be fitted in, `iv` finds
the I-V curve and the noise of reads, `response` predicts pulses and their uncertainty, `solve` fits, `held_out` judges,
`section` writes the chip spec, and `device` does it all and refuses data that do not suffice.
"""

from .device import DeviceFit, UndeterminedError, fit_device
from .measurements import MeasurementError
from .models import model_names

__all__ = ["DeviceFit", "MeasurementError", "UndeterminedError", "fit_device", "model_names"]
