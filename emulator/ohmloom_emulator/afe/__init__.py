"""The analog front end's converters: row DACs, column TIAs with their ADCs, what lies between routed tiles, and faults in them."""

from ohmloom_emulator.afe.columns import ColumnReadout
from ohmloom_emulator.afe.faults import Faults
from ohmloom_emulator.afe.rows import RowDrivers
from ohmloom_emulator.afe.stage import AnalogStage

__all__ = ["AnalogStage", "ColumnReadout", "Faults", "RowDrivers"]
