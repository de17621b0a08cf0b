"""The analog front end's converters: row DACs, column TIAs with their ADCs, and what lies between routed tiles."""

from ohmloom_emulator.afe.columns import ColumnReadout
from ohmloom_emulator.afe.rows import RowDrivers
from ohmloom_emulator.afe.stage import AnalogStage

__all__ = ["AnalogStage", "ColumnReadout", "RowDrivers"]
