"""What a board file holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.resources import files

from ohmloom.errors import ArgumentError

# Files of this package that are no boards.
_OTHERS = {"__init__", "board", "wiring"}


@dataclass(frozen=True)
class Board:
    """An FPGA board with a chip's analog front end on its connectors.

    platform: `module:class` of amaranth-boards. chip: what is built for it unless another is asked for. clock: name of the
    platform's clock resource, which has a frequency. uart: number of the platform's UART resource. flash: name of its SPI flash
    resource. loader: the board's name in openFPGALoader. afe: signals
    of the front end as `AfePads` names them, each with its connector (name, number) and the pins on it, as the platform's
    `Connector` names them. levels: constants at FPGA pins. pin_labels: what is printed at, or known of, a connector's pin,
    beside its name. connector_labels: a connector's name for people, where pins need one.
    """

    title: str
    platform: str
    chip: str
    clock: str
    loader: str
    afe: Mapping[str, tuple[tuple[str, int], str]]
    connector_labels: Mapping[tuple[str, int], str] = field(default_factory=dict)
    pin_labels: Mapping[str, str] = field(default_factory=dict)
    uart: int = 0
    flash: str = "spi_flash_1x"
    levels: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def board_names() -> list[str]:
    """Names of the boards that come with ohmloom."""
    stems = (
        entry.name.removesuffix(".py") for entry in files("ohmloom_boards").iterdir() if entry.name.endswith(".py")
    )
    return sorted(set(stems) - _OTHERS)


def board(name: str) -> Board:
    """The board of that name. Raises ArgumentError for an unknown one."""
    if name not in board_names():
        raise ArgumentError(f"unknown board {name!r}; known: {', '.join(board_names())}")
    found: Board = import_module(f"ohmloom_boards.{name}").BOARD
    return found
