"""Work that only an installed package can do, found by its name: this library never imports the emulator."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from ohmloom.errors import Error

TOOL_GROUP = "ohmloom.tools"


def tool(name: str) -> Callable[..., Any]:
    """The function that a package has announced as an entry point of `ohmloom.tools`. Raises ohmloom.Error for none."""
    for entry in entry_points(group=TOOL_GROUP, name=name):
        function: Callable[..., Any] = entry.load()
        return function
    raise Error(f"{name} needs ohmloom's emulator, which is not installed with this library: pip install ohmloom")
