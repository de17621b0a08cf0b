"""Below all else: clamps, pulse and duty caps, trip latch, watchdog and forming interlock, and the drivers of the pins they guard."""

from ohmloom_hdl.safety.safety import Safety

__all__ = ["Safety"]
