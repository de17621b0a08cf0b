"""Connected chips, and the board behind them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import ohmloom
from ohmloom.chip import Chip
from ohmloom_emulator.board import Board

URL = "emu://bench-8x16"


def _board(chip: Chip) -> Board:
    board: Board = chip._session._wire._port.board  # type: ignore[attr-defined]
    return board


@pytest.fixture(scope="session")
def board_of() -> Callable[[Chip], Board]:
    """The board at the other end of a chip's link, with its true conductances."""
    return _board


@pytest.fixture
def chip() -> Iterator[Chip]:
    with ohmloom.connect(URL, seed=1) as connected:
        yield connected


@pytest.fixture
def ideal() -> Iterator[Chip]:
    with ohmloom.connect(URL, ideal=True) as connected:
        yield connected


@pytest.fixture(scope="session")
def truth() -> Callable[[Chip, int], Any]:
    """Conductances (rows, columns) of a tile as they are."""
    return lambda chip, tile: _board(chip).fabric.state()[f"tile{tile}_conductance"]


@pytest.fixture(scope="session")
def random_model() -> Callable[..., ohmloom.Model]:
    """Dense relu layers with random weights and biases, for regression."""

    def make(widths: list[int], seed: int = 0, **options: Any) -> ohmloom.Model:
        rng = np.random.default_rng(seed)
        layers = [
            ohmloom.Layer(
                rng.normal(0, 1 / np.sqrt(inputs), (inputs, outputs)), rng.normal(0, 0.3, outputs),
                "none" if index == len(widths) - 2 else "relu",
            )
            for index, (inputs, outputs) in enumerate(itertools.pairwise(widths))
        ]  # fmt: skip
        return ohmloom.Model(tuple(layers), **{"task": "regression", **options})

    return make
