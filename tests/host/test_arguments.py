"""Wrong arguments get one clear error before anything is sent, and the chip stays usable."""

from __future__ import annotations

import numpy as np
import pytest

import ohmloom
from ohmloom.errors import ArgumentError, ChipError, LinkError, SpecError
from ohmloom.spec import load_policy

NAN = float("nan")
INF = float("inf")
G = np.full((8, 16), 10e-6)


def with_value(value, place=(3, 4)):
    g = G.copy()
    g[place] = value
    return g


CALLS = {
    "program: tile": (lambda chip: chip.program_conductance(2, G), "tile"),
    "program: negative tile": (lambda chip: chip.program_conductance(-1, G), "tile"),
    "program: tile as float": (lambda chip: chip.program_conductance(0.0, G), "tile"),
    "program: shape": (lambda chip: chip.program_conductance(0, G.T), "shape"),
    "program: row": (lambda chip: chip.program_conductance(0, G[0]), "shape"),
    "program: infinity": (lambda chip: chip.program_conductance(0, with_value(INF)), "target_siemens"),
    "program: negative": (lambda chip: chip.program_conductance(0, with_value(-1e-9)), "target_siemens"),
    "program: too large": (lambda chip: chip.program_conductance(0, with_value(1e-3)), "target_siemens"),
    "program: text": (lambda chip: chip.program_conductance(0, [["a"] * 16] * 8), "target_siemens"),
    "program: ragged": (lambda chip: chip.program_conductance(0, [[1e-6], [1e-6, 2e-6]]), "target_siemens"),
    "program: no tolerance": (lambda chip: chip.program_conductance(0, G, 0.0), "tolerance"),
    "program: tolerance below a code": (lambda chip: chip.program_conductance(0, G, 50e-9), "tolerance"),
    "program: tolerance NaN": (lambda chip: chip.program_conductance(0, G, NAN), "tolerance"),
    "program: tolerance too large": (lambda chip: chip.program_conductance(0, G, 1.0), "tolerance"),
    "form: tile": (lambda chip: chip.form(5), "tile"),
    "form: mask": (lambda chip: chip.form(0, np.ones((8, 15))), "mask"),
    "read: tile": (lambda chip: chip.read_conductance(2), "tile"),
    "read: samples": (lambda chip: chip.read_conductance(0, samples=0), "samples"),
    "read: many samples": (lambda chip: chip.read_conductance(0, samples=65), "samples"),
    "pulse: tile": (lambda chip: chip.pulse(2, 0, 0, 1.0), "tile"),
    "pulse: row": (lambda chip: chip.pulse(0, 8, 0, 1.0), "row"),
    "pulse: column": (lambda chip: chip.pulse(0, 0, 16, 1.0), "column"),
    "pulse: volts": (lambda chip: chip.pulse(0, 0, 0, 6.0), "6.0 V"),
    "pulse: NaN": (lambda chip: chip.pulse(0, 0, 0, NAN), "volts"),
    "pulse: gate": (lambda chip: chip.pulse(0, 0, 0, 1.0, gate_v=-1.0), "gate"),
    "pulse: width": (lambda chip: chip.pulse(0, 0, 0, 1.0, width_s=0.0), "s is beyond"),
    "iv: volts": (lambda chip: chip.iv_sweep(0, 0, 0, [0.1, 0.3]), "volts"),
    "iv: NaN": (lambda chip: chip.iv_sweep(0, 0, 0, [NAN]), "volts"),
    "iv: empty": (lambda chip: chip.iv_sweep(0, 0, 0, []), "volts"),
    "iv: scalar": (lambda chip: chip.iv_sweep(0, 0, 0, 0.1), "volts"),
    "iv: range": (lambda chip: chip.iv_sweep(0, 0, 0, [0.1], tia_range=2), "tia_range"),
    "currents: too high": (lambda chip: chip.currents(0, [0.21] * 8), "0.2 V"),
    "currents: NaN": (lambda chip: chip.currents(0, [NAN] * 8), "0.2 V"),
    "currents: shape": (lambda chip: chip.currents(0, [0.1] * 7), "volts: shape"),
    "currents: scalar": (lambda chip: chip.currents(0, 0.1), "volts: shape"),
    "currents: range": (lambda chip: chip.currents(0, [0.1] * 8, tia_range=2), "tia_range"),
    "mvm: tile": (lambda chip: chip.mvm(2, [0] * 8), "tile"),
    "mvm: shape": (lambda chip: chip.mvm(0, [0] * 7), "shape"),
    "mvm: three dimensions": (lambda chip: chip.mvm(0, np.zeros((2, 2, 8), int)), "shape"),
    "mvm: scalar": (lambda chip: chip.mvm(0, 5), "shape"),
    "mvm: fractions": (lambda chip: chip.mvm(0, [0.5] * 8), "integers"),
    "mvm: NaN": (lambda chip: chip.mvm(0, [NAN] * 8), "NaN"),
    "mvm: infinity": (lambda chip: chip.mvm(0, [INF] * 8), "327"),
    "mvm: minus infinity": (lambda chip: chip.mvm(0, [-INF] * 8), "327"),
    "mvm: text": (lambda chip: chip.mvm(0, ["1"] * 8), "integers"),
    "mvm: bool": (lambda chip: chip.mvm(0, [True] * 8), "integers"),
    "mvm: beyond the clamp": (lambda chip: chip.mvm(0, [328] + [0] * 7), "327"),
    "mvm: below the clamp": (lambda chip: chip.mvm(0, [-328] + [0] * 7), "327"),
    "mvm: 64 bits": (lambda chip: chip.mvm(0, np.full(8, 2**64 - 1, np.uint64)), "327"),
    "mvm: least integer": (lambda chip: chip.mvm(0, np.full(8, -(2**63), np.int64)), "327"),
    "mvm: least 8-bit integer": (lambda chip: chip.mvm(0, np.full(8, 400, np.int16)), "327"),
    "mvm: range": (lambda chip: chip.mvm(0, [0] * 8, tia_range=-1), "tia_range"),
    "advance: negative": (lambda chip: chip.advance(-1), "seconds"),
    "advance: NaN": (lambda chip: chip.advance(NAN), "seconds"),
    "advance: infinity": (lambda chip: chip.advance(INF), "seconds"),
    "calibrate: tile": (lambda chip: chip.calibrate(9), "tile"),
}  # fmt: skip


def everything(board):
    return {
        key: value.tobytes() for key, value in {**board.fabric.state(), **board.controller.memories.arrays()}.items()
    }


@pytest.mark.parametrize("name", CALLS)
def test_wrong_argument_is_named_and_nothing_is_sent(chip, board_of, name):
    call, named = CALLS[name]
    board = board_of(chip)
    frames, before = board.receiver.frames_good, everything(board)
    with pytest.raises(ArgumentError, match=named):
        call(chip)
    assert board.receiver.frames_good == frames
    assert everything(board) == before
    assert chip.mvm(0, [0] * 8).shape == (16,)


def test_bad_policy_is_an_error_before_anything_is_sent(chip, board_of):
    beyond = load_policy("default").model_copy(
        update={"reset": load_policy("default").reset.model_copy(update={"top_v": 4.2})}
    )
    frames = board_of(chip).receiver.frames_good
    for policy, named in (("nonesuch", "unknown policy"), (beyond, "reset goes beyond the limits")):
        with pytest.raises(SpecError, match=named):
            chip.program_conductance(0, G, policy=policy)
    assert board_of(chip).receiver.frames_good == frames


def test_unknown_policy_names_the_known_ones(chip):
    with pytest.raises(SpecError, match="default"):
        chip.load_policy("nonesuch")


def test_pulse_beyond_the_chips_clamps_is_the_controllers_refusal(chip):
    with pytest.raises(ChipError, match="clamp") as caught:
        chip.pulse(0, 0, 0, 4.5)
    assert caught.value.code == 4
    chip.pulse(0, 0, 0, 0.1)


def test_closed_port_is_an_error(chip):
    chip.close()
    chip.close()
    with pytest.raises(LinkError):
        chip.mvm(0, [0] * 8)


def test_infer_without_a_network_says_what_to_do(chip):
    with pytest.raises(ohmloom.Error, match=r"program\(\) first"):
        chip.infer([[0.0]])
    chip.mvm(0, [0] * 8)


@pytest.mark.parametrize(("X", "named"), [
    ([[1.0, 2.0]], "shape"), ([1.0, 2.0, 3.0], "shape"), ([[1.0, NAN, 0.0]], "row 0"), ([[0.0] * 3, [INF, 0.0, 0.0]], "row 1"),
    ([["a", "b", "c"]], "numbers"), ([[1.0], [2.0, 3.0]], "numbers"), (np.zeros((2, 3, 1)), "shape"),
])  # fmt: skip
def test_wrong_inputs_of_a_network(ideal, board_of, random_model, X, named):
    ideal.load(ohmloom.compile(random_model([3, 2]), ideal.spec, np.eye(3)))
    frames = board_of(ideal).receiver.frames_good
    with pytest.raises(ArgumentError, match=named):
        ideal.infer(X)
    assert board_of(ideal).receiver.frames_good == frames
    assert ideal.infer(np.zeros((1, 3))).shape == (1, 2)


def test_network_of_another_chip_is_refused(ideal, board_of, random_model):
    other = ohmloom.compile(random_model([3, 2]), ohmloom.load_chip("lab-128x128x4"), np.eye(3))
    before = everything(board_of(ideal))
    for call in (ideal.load, ideal.program):
        with pytest.raises(ArgumentError, match="lab-128x128x4"):
            call(other)
    assert everything(board_of(ideal)) == before


def test_endpoint_of_another_chip_is_refused():
    with pytest.raises(LinkError, match="bench-8x16"):
        ohmloom.connect("emu://bench-8x16", spec="lab-128x128x4")
