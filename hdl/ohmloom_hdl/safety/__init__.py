"""Below all else: clamps, pulse and duty caps, trip latch, watchdog and forming interlock; and the pins' drivers."""

from ohmloom_hdl.safety.safety import Safety

__all__ = ["Safety"]
