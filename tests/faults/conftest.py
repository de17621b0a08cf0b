"""Maps of stuck cells, and networks on a chip that has none: what they are given is what its cells take."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ohmloom
from ohmloom import FaultMap, Layer, Model
from ohmloom.spec import ChipSpec, load_chip


@pytest.fixture(scope="session")
def bench() -> ChipSpec:
    return load_chip("bench-8x16")


@pytest.fixture(scope="session")
def fault_map() -> Callable[..., FaultMap]:
    def make(spec: ChipSpec, share: float, seed: int = 0) -> FaultMap:
        rng = np.random.default_rng(seed)
        shape = (spec.tiles, spec.rows, spec.columns)
        stuck = rng.random(shape) < share
        return FaultMap(stuck, np.where(stuck, rng.choice([0.5e-6, 20e-6, 60e-6], shape), np.nan))

    return make


@pytest.fixture(scope="session")
def random_model() -> Callable[..., Model]:
    def make(widths: list[int], seed: int = 0, **options: Any) -> ohmloom.Model:
        rng = np.random.default_rng(seed)
        layers = [
            Layer(rng.normal(0, 1 / np.sqrt(n_in), (n_in, n_out)), rng.normal(0, 0.3, n_out), "relu" if later else "none")
            for (n_in, n_out), later in zip(itertools.pairwise(widths), [*[True] * (len(widths) - 2), False], strict=True)
        ]
        return Model(tuple(layers), **{"task": "regression", **options})

    return make
