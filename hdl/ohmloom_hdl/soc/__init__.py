"""The RISC-V core, and what it reaches: `core.py` has the bus, `ohmloom.spec.core` the addresses."""

from ohmloom_hdl.soc.core import Core

__all__ = ["Core"]
