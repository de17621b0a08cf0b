"""A check, how it ends, and the list of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Any

import numpy as np

from ohmloom.conformance.device import Device
from ohmloom.errors import Error


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Failure(AssertionError):  # noqa: N818 - an answer about the endpoint
    """The endpoint does something else than it should; the message says what."""


class Skip(Exception):  # noqa: N818 - no error
    """The check does not apply to this endpoint; the message says why."""


@dataclass(frozen=True)
class Result:
    """How one check ended; `text` says why, unless it passed."""

    name: str
    title: str
    outcome: Outcome
    text: str
    seconds: float


@dataclass(frozen=True)
class Check:
    """A function that raises Failure or Skip. writes: it pulses cells of the device's tile."""

    name: str
    title: str
    function: Callable[[Device], None]
    writes: bool

    def run(self, device: Device) -> Result:
        """Runs it; afterwards the device is as a next check wants it."""
        began = monotonic()
        outcome, text = Outcome.PASSED, ""
        try:
            if self.writes and device.keep_cells:
                raise Skip("cells are to be kept as they are")
            self.function(device)
        except Skip as skip:
            outcome, text = Outcome.SKIPPED, str(skip)
        except (AssertionError, Error) as error:
            outcome, text = Outcome.FAILED, f"{type(error).__name__}: {error}"
        try:
            device.restore()
        except Error as error:
            outcome, text = Outcome.FAILED, f"{text} and afterwards: {error}".removeprefix(" and ")
        return Result(self.name, self.title, outcome, text, monotonic() - began)


CHECKS: list[Check] = []


def check(*, writes: bool = False) -> Callable[[Callable[[Device], None]], Callable[[Device], None]]:
    """Adds a function to the checks; its title is its docstring."""

    def add(function: Callable[[Device], None]) -> Callable[[Device], None]:
        assert function.__doc__ is not None
        name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        CHECKS.append(Check(name, " ".join(function.__doc__.split()).removesuffix("."), function, writes))
        return function

    return add


def expect(condition: bool | np.bool_, what: str) -> None:
    """Raises Failure with `what` unless the condition holds."""
    if not condition:
        raise Failure(what)


def equal(found: Any, wanted: Any, what: str) -> None:
    """Raises Failure unless two values, or arrays, are the same."""
    if not np.array_equal(found, wanted):
        raise Failure(f"{what}: {wanted} wanted, found {found}")
