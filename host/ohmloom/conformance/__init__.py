"""Conformance: what every endpoint does, whatever answers it. Checks derive all they expect from the chip's spec and the command table.

`run` goes through them on one endpoint: an emulated chip, the compiled gateware, or a new board on its first day. Memories are left as they
were; one tile's cells are formed and programmed, unless that is left out. `ohmloom selftest` and `tests/conformance` are fronts of it.
"""

from ohmloom.conformance import cells, firmware, identity, link, memories, network, safety, vectors  # noqa: F401 - they bring the checks
from ohmloom.conformance.check import CHECKS, Check, Outcome, Result
from ohmloom.conformance.device import Device
from ohmloom.conformance.report import markdown

__all__ = ["CHECKS", "Check", "Device", "Outcome", "Result", "markdown"]
