"""Chips with chosen conductances, and a controller that is asked by commands' names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ohmloom.spec import ChipSpec, load_chip
from ohmloom.spec.commands import ANSWER, ERROR_LAYOUT, TYPE_ERROR, Command, ErrorCode
from ohmloom.spec.effects import Effect
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.fabric import Fabric

G_MIN, G_MAX = 1e-6, 40e-6


@pytest.fixture(scope="session")
def bench() -> ChipSpec:
    return load_chip("bench-8x16")


@pytest.fixture(scope="session")
def lab() -> ChipSpec:
    return load_chip("lab-128x128x4")


def _changed(spec: ChipSpec, **sections: Any) -> ChipSpec:
    content = spec.model_dump()
    for key, value in sections.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    return ChipSpec(**content)


@pytest.fixture(scope="session")
def changed() -> Callable[..., ChipSpec]:
    """A spec with some keys of its sections replaced."""
    return _changed


def _with_cells(fabric: Fabric, conductance: Any = None, seed: int = 1) -> Fabric:
    spec = fabric.spec
    if conductance is None:
        conductance = np.random.default_rng(seed).uniform(G_MIN, G_MAX, (spec.tiles, spec.rows, spec.columns))
    arrays = fabric.state()
    for tile, siemens in enumerate(np.broadcast_to(conductance, (spec.tiles, spec.rows, spec.columns))):
        arrays[f"tile{tile}_conductance"] = arrays[f"tile{tile}_written"] = np.array(siemens, dtype=float)
    fabric.restore(arrays)
    return fabric


@pytest.fixture(scope="session")
def with_cells() -> Callable[..., Fabric]:
    """Sets all conductances of a fabric, at random in 1..40 uS unless they are given."""
    return _with_cells


class Asked:
    """A controller, asked by command and values."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric, self.spec = fabric, fabric.spec
        self.controller = Controller(fabric)

    def raw(self, command: Command | int, payload: bytes) -> tuple[int, bytes]:
        return self.controller.execute(command if isinstance(command, int) else command.code, payload)

    def __call__(self, command: Command, /, **values: Any) -> dict[str, Any]:
        frame_type, payload = self.raw(command, command.request.pack(**values))
        if frame_type == TYPE_ERROR:
            raise AssertionError(f"{command.name} refused: {ERROR_LAYOUT.unpack(payload)}")
        assert frame_type == command.code | ANSWER
        assert len(payload) <= self.spec.link.payload_bytes
        return command.answer.unpack(payload)

    def refusal(self, command: Command | int, payload: bytes | None = None, /, **values: Any) -> ErrorCode:
        """The error code, `error` all of the answer; the fabric and what the controller keeps must be as before."""
        before = self.everything()
        if payload is None:
            assert isinstance(command, Command)
            payload = command.request.pack(**values)
        frame_type, answer = self.raw(command, payload)
        assert frame_type == TYPE_ERROR, "not refused"
        self.error = error = ERROR_LAYOUT.unpack(answer)
        assert error["command"] == (command if isinstance(command, int) else command.code)
        assert_same(before, self.everything())
        return ErrorCode(error["code"])

    def everything(self) -> dict[str, Any]:
        """All that lasts."""
        return {key: np.array(value) for key, value in {**self.fabric.state(), **self.controller.arrays()}.items()}


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert first.keys() == second.keys()
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key], err_msg=key)


@pytest.fixture(scope="session")
def same() -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """Compares two states, bit by bit."""
    return assert_same


@pytest.fixture(scope="session")
def asked() -> type[Asked]:
    return Asked


@pytest.fixture(scope="session")
def only() -> Callable[..., frozenset[Effect]]:
    """A set of effects by their names."""
    return lambda *names: frozenset(Effect(name) for name in names)
