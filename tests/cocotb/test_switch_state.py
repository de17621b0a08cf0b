"""Closed switches read as what they connect; combinations that no operation needs are refused."""

from __future__ import annotations

import pytest

from ohmloom.spec import load_chip
from ohmloom.spec.switches import SwitchMap
from ohmloom_twin.switch_state import Chain, Violation, Window, Write, decode

SPEC = load_chip("lab-128x128x4")
ALL = (1 << SPEC.rows) - 1
ON = {"drive": 1, "sense": 1}


def closed(tiles: dict[int, dict[str, int]], write: dict[str, int] | None = None) -> list[list[int]]:
    """Bits of all chains, by the names of `SwitchMap`."""
    layout = SwitchMap(SPEC)
    chains = [[0] * layout.bits for _ in range(layout.chains)]
    for chain, values in [*tiles.items(), (SPEC.tiles, write or {})]:
        fields = layout.write if chain == SPEC.tiles else layout.tile
        for name, value in values.items():
            for bit in range(fields[name].width):
                chains[chain][fields[name].first + bit] = value >> bit & 1
    return chains


def test_drives() -> None:
    assert decode(SPEC, closed({})) is None
    assert decode(SPEC, closed({2: {"word_line": ALL, "tia_range": 1, **ON}})) == Window(2, 0, 128, 1)
    assert decode(SPEC, closed({1: {"word_line": 0b111 << 40, **ON}})) == Window(1, 40, 3, 0)
    assert decode(SPEC, closed({3: {"reference": 1, **ON}})) == Window(3, 128, 1, 0)
    assert decode(SPEC, closed({0: ON})) == Window(0, 128, 0, 0)


def test_routes() -> None:
    state = decode(
        SPEC,
        closed(
            {
                2: {"word_line": ALL, "drive": 1, "relu": 1, "attenuator": 4},
                0: {"word_line": ALL, "chained": 1, "source": 2, "bias": 1, "attenuator": 2},
                3: {"word_line": ALL, "chained": 1, "source": 0, "sense": 1, "tia_range": 1},
            }
        ),
    )
    assert isinstance(state, Chain)
    assert [(stage.tile, stage.tia_range, stage.attenuator, stage.relu, stage.bias) for stage in state.stages] == [
        (2, 0, 4, 1, 0),
        (0, 0, 2, 0, 1),
        (3, 1, 0, 0, 0),
    ]


def test_writes() -> None:
    state = decode(SPEC, closed({1: {"word_line": 1 << 9}}, {"column": 0b101, "write": 1, "polarity": 1}))
    assert state == Write(1, 9, (True, False, True, *[False] * 125), True)
    state = decode(SPEC, closed({1: {"word_line": 1}}, {"write": 1}))
    assert state == Write(1, 0, (False,) * 128, False)


@pytest.mark.parametrize(
    ("tiles", "write", "text"),
    [
        ({0: {"word_line": 0b101, **ON}}, {}, "side by side"),
        ({0: {"word_line": 1, "reference": 1, **ON}}, {}, "at once"),
        ({0: {"word_line": 1, **ON}, 1: {"word_line": 1}}, {}, "needs no more"),
        ({0: {"word_line": 1, "relu": 1, **ON}}, {}, "needs no more"),
        ({0: {"word_line": 1, **ON}, 1: ON}, {}, "2 tiles are driven and 2 sensed"),
        ({0: {"word_line": 1, "drive": 1}}, {}, "1 tiles are driven and 0 sensed"),
        ({0: {"word_line": ALL, "drive": 1}, 1: {"word_line": ALL, "sense": 1}}, {}, "does not lead"),
        ({0: {"word_line": ALL, "chained": 1, "source": 0, **ON}}, {}, "no beginning"),
        ({0: {"word_line": ALL, "chained": 1, "source": 3, **ON}}, {}, "no beginning"),
        (
            {0: {"word_line": ALL, "drive": 1}, 1: {"word_line": 1, "chained": 1, "source": 0, "sense": 1}},
            {},
            "all word lines",
        ),
        ({0: {"word_line": 1, **ON}}, {"column": 1}, "without its write bit"),
        ({0: {"word_line": 1, **ON}}, {"column": 1, "write": 1}, "nothing else closed"),
        ({0: {"word_line": 1}, 1: {"word_line": 1}}, {"column": 1, "write": 1}, "nothing else closed"),
        ({0: {"word_line": 3}}, {"column": 1, "write": 1}, "one word line"),
        ({}, {"write": 1}, "one tile"),
    ],
)
def test_nonsense(tiles: dict[int, dict[str, int]], write: dict[str, int], text: str) -> None:
    with pytest.raises(Violation, match=text):
        decode(SPEC, closed(tiles, write))
