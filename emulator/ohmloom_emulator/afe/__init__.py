"""The analog front end's converters: row DACs, and column TIAs with their ADCs."""

from ohmloom_emulator.afe.columns import ColumnReadout
from ohmloom_emulator.afe.rows import RowDrivers

__all__ = ["ColumnReadout", "RowDrivers"]
