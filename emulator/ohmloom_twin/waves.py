"""Waves of the gateware, when they are asked for: which part of the time goes to a VCD file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ohmloom.errors import ArgumentError
from ohmloom.spec.commands import COMMANDS, Command

WINDOW_US = 10_000.0  # unless said otherwise: files grow by some hundred bytes a cycle
OPTIONS = ("waves", "from_us", "to_us", "trigger")


@dataclass(frozen=True)
class Waves:
    """The file, and the window in µs of the controller's clock: since the port was opened, or since the bytes arrived that brought the first
    request of `trigger`.
    """

    path: Path
    from_us: float = 0.0
    to_us: float = WINDOW_US
    trigger: Command | None = None

    @classmethod
    def of_options(cls, options: Mapping[str, str]) -> Waves | None:
        """From a URL's options; None when no waves are asked for. Raises ArgumentError for those that make no sense."""
        if "waves" not in options:
            for name in OPTIONS:
                if name in options:
                    raise ArgumentError(f"{name} is about waves, which were not asked for: add waves=FILE")
            return None
        try:
            from_us = float(options.get("from_us", 0.0))
            to_us = float(options.get("to_us", from_us + WINDOW_US))
        except ValueError as error:
            raise ArgumentError(f"from_us, to_us: {error}") from None
        if not 0 <= from_us < to_us < 1e12:
            raise ArgumentError(f"from_us, to_us: {from_us:g}..{to_us:g} is no window")
        path = Path(options["waves"])
        if not options["waves"] or not path.absolute().parent.is_dir():
            raise ArgumentError(f"waves: {options['waves']!r} is no file in a folder that there is")
        return cls(path, from_us, to_us, _command(options["trigger"]) if "trigger" in options else None)


def _command(name: str) -> Command:
    commands = {command.name: command for command in COMMANDS.values()}
    if name.upper() not in commands:
        raise ArgumentError(f"trigger: no command {name!r}; known: {', '.join(commands)}")
    return commands[name.upper()]
