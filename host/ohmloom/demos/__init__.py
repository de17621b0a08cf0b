"""Whole jobs, run for real: data, training, compiling, programming, inference, results.

`pipeline` holds the steps that all demos share; each demo is a small class beside it that brings its data and pictures.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ohmloom.errors import ArgumentError

if TYPE_CHECKING:
    from ohmloom.demos.demo import Demo

DEMOS = ("digits", "ecg", "images", "robot", "speech", "wearable")


def demo_class(name: str) -> type[Demo]:
    """The class of a demo, which is in the module of its name. Raises ArgumentError for an unknown one."""
    if name not in DEMOS:
        raise ArgumentError(f"unknown demo {name!r}; known: {', '.join(DEMOS)}")
    kind: type[Demo] = getattr(import_module(f"{__name__}.{name}"), name.capitalize())
    return kind
