"""INFER and routes against models written from `ohmloom.spec.network` and `ohmloom.spec.arithmetic`, in Python's own integers."""

from __future__ import annotations

import binascii
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmloom.spec import load_chip
from ohmloom.spec.commands import INFER, MEM_WRITE, MVM, READ_REGISTERS, ROUTE, ErrorCode, Memory
from ohmloom.spec.network import HEADER_DTYPE, MAGIC, STEP_DTYPE, StepFlag
from ohmloom.spec.registers import STATUS, STATUS_NETWORK_VALID
from ohmloom_emulator.fabric import Fabric

LSB_V = 2.5 / 4096
TIA_OHM = (6800.0, 47000.0)
CLAMP = 327


def raw_code(current_a, tia_range):
    code = min(max(round((1.25 - current_a * TIA_OHM[tia_range]) / LSB_V), 0), 4095)
    return min(2048 - code, 2047)


def model_infer(cells, correction, biases, steps, codes):
    """Outputs of one vector: the steps as the definition says, code by code."""
    values, sums = list(codes), {}
    for step in steps:
        field = {name: int(step[name]) for name in STEP_DTYPE.names}
        if field["flags"] & StepFlag.FIRST:
            sums = dict.fromkeys(range(field["width"]), 0)
        g = cells[field["tile"]]
        corrected = {}
        for column in range(2 * field["pair"], 2 * (field["pair"] + field["pairs"])):
            current = sum(
                values[field["input"] + r % field["inputs"]] * LSB_V * g[field["row"] + r, column]
                for r in range(field["rows"])
            )
            offset, gain = correction[field["tile"], field["range"], column]
            corrected[column] = ((raw_code(current, field["range"]) * 16 - int(offset)) * int(gain) + 2**14) >> 15
        for p in range(field["pairs"]):
            even = 2 * (field["pair"] + p)
            sums[field["output"] + p % field["outputs"]] += corrected[even] - corrected[even + 1]
        if field["flags"] & StepFlag.LAST:
            result = []
            for index in range(field["width"]):
                total = sums[index] + int(biases[field["bias"] + index])
                if field["flags"] & StepFlag.RELU:
                    total = max(total, 0)
                limit = 32767 if field["flags"] & StepFlag.OUTPUT else CLAMP
                result.append(
                    min(max((total * field["scale"] + (1 << field["shift"] - 1)) >> field["shift"], -limit), limit)
                )
            values = result
    return values


def step(**fields):
    record = np.zeros((), STEP_DTYPE)
    for name, value in {"scale": 40000, "shift": 16, **fields}.items():
        record[name] = value
    return record


def network_bytes(steps, inputs, outputs):
    body = np.array(steps, dtype=STEP_DTYPE).tobytes()
    header = np.zeros((), HEADER_DTYPE)
    header["magic"], header["steps"], header["crc"] = MAGIC, len(steps), binascii.crc32(body)
    header["inputs"], header["outputs"] = inputs, outputs
    return header.tobytes() + body


def write(controller, memory, content):
    size = 256
    for offset in range(0, len(content), size):
        controller(MEM_WRITE, memory=memory, offset=offset, data=content[offset : offset + size])


def load(controller, steps, inputs, outputs, biases=None, correction=None):
    if biases is not None:
        write(controller, Memory.BIAS, np.asarray(biases, "<i4").tobytes())
    if correction is not None:
        write(controller, Memory.CORRECTION, correction.tobytes())
    write(controller, Memory.NETWORK, network_bytes(steps, inputs, outputs))


@st.composite
def networks(draw):
    """Steps over both tiles: windows, parts of inputs and outputs, and copies all at random."""
    inputs = draw(st.integers(1, 12))
    steps, width, first_bias = [], inputs, 0
    layers = draw(st.integers(1, 3))
    for layer in range(layers):
        outputs = draw(st.integers(1, 10))
        count = draw(st.integers(1, 3))
        for index in range(count):
            rows, pairs = draw(st.integers(1, 8)), draw(st.integers(1, 8))
            part_inputs, part_outputs = draw(st.integers(1, width)), draw(st.integers(1, outputs))
            last = index == count - 1
            flags = (StepFlag.FIRST if index == 0 else 0) | (StepFlag.LAST if last else 0)
            flags |= StepFlag.RELU if last and draw(st.booleans()) else 0
            flags |= StepFlag.OUTPUT if last and layer == layers - 1 else 0
            steps.append(
                step(
                    flags=flags,
                    tile=draw(st.integers(0, 1)),
                    range=draw(st.integers(0, 1)),
                    row=draw(st.integers(0, 8 - rows)),
                    rows=rows,
                    pair=draw(st.integers(0, 8 - pairs)),
                    pairs=pairs,
                    input=draw(st.integers(0, width - part_inputs)),
                    inputs=part_inputs,
                    output=draw(st.integers(0, outputs - part_outputs)),
                    outputs=part_outputs,
                    bias=first_bias,
                    width=outputs,
                    scale=draw(st.integers(2**15, 2**16 - 1)),
                    shift=draw(st.integers(14, 20)),
                )
            )
        width, first_bias = outputs, first_bias + outputs
    return steps, inputs, width


@settings(max_examples=60, deadline=None)
@given(network=networks(), seed=st.integers(0, 1000))
def test_infer_is_what_the_definition_says(asked, with_cells, network, seed):
    steps, inputs, outputs = network
    rng = np.random.default_rng(seed)
    controller = asked(with_cells(Fabric(load_chip("bench-8x16"), ideal=True), seed=seed))
    cells = [controller.fabric.state()[f"tile{tile}_conductance"] for tile in range(2)]
    correction = np.zeros((2, 2, 16), [("offset", "<i2"), ("gain", "<u2")])
    correction["offset"], correction["gain"] = (
        rng.integers(-200, 200, (2, 2, 16)),
        rng.integers(30000, 36000, (2, 2, 16)),
    )
    biases = rng.integers(-3000, 3000, 64)
    load(controller, steps, inputs, outputs, biases, correction)
    codes = rng.integers(-CLAMP, CLAMP, (5, inputs), endpoint=True)
    answer = controller(INFER, count=5, codes=codes.ravel())["outputs"].reshape(5, outputs)
    wanted = [model_infer(cells, correction, biases, steps, vector) for vector in codes.tolist()]
    np.testing.assert_array_equal(answer, wanted)


def test_repeated_rows_and_pairs_add_up(bench, asked, with_cells):
    """Two inputs on eight rows, one output on four pairs: 16 pairs a weight."""
    g = np.full((8, 16), 2e-6)
    g[:, 0::2] = np.tile([[10e-6], [30e-6]], (4, 1))
    controller = asked(with_cells(Fabric(bench, ideal=True), g))
    flags = StepFlag.FIRST | StepFlag.LAST | StepFlag.OUTPUT
    load(controller, [step(flags=flags, rows=8, pairs=4, inputs=2, outputs=1, width=1, scale=32768, shift=15)], 2, 1)
    (output,) = controller(INFER, count=1, codes=[100, 50])["outputs"]
    pair_a = 4 * LSB_V * (100 * 8e-6 + 50 * 28e-6)
    assert output == pytest.approx(4 * pair_a * 6800.0 / LSB_V * 16, abs=4 * 16)


FLAGS = StepFlag.FIRST | StepFlag.LAST | StepFlag.OUTPUT
GOOD = {"flags": FLAGS, "rows": 8, "pairs": 4, "inputs": 8, "outputs": 4, "width": 4}


@pytest.mark.parametrize("change", [
    {"tile": 2}, {"range": 2}, {"rows": 0}, {"rows": 9}, {"row": 1}, {"pairs": 0}, {"pairs": 9}, {"pair": 5}, {"inputs": 0}, {"outputs": 0},
    {"inputs": 9}, {"input": 1}, {"outputs": 5}, {"output": 1}, {"width": 3}, {"width": 1025}, {"bias": 4093}, {"shift": 0}, {"shift": 48},
    {"level": 328}, {"level": -32768}, {"flags": FLAGS & ~StepFlag.OUTPUT}, {"flags": FLAGS & ~StepFlag.LAST},
    {"flags": FLAGS & ~StepFlag.FIRST}, {"flags": FLAGS | StepFlag.ANALOG},
], ids=str)  # fmt: skip
def test_a_step_out_of_bounds_makes_no_network(bench, asked, change):
    controller = asked(Fabric(bench, ideal=True))
    load(controller, [step(**GOOD)], 8, 4)
    controller(INFER, count=1, codes=[1] * 8)
    load(controller, [step(**{**GOOD, **change})], 8, 4)
    assert not STATUS_NETWORK_VALID.get(int(controller(READ_REGISTERS, address=STATUS.address, count=1)["values"][0]))
    assert controller.refusal(INFER, count=1, codes=[1] * 8) is ErrorCode.NO_NETWORK


LAYER = {"rows": 8, "pairs": 4, "inputs": 8, "outputs": 4, "width": 4}
SECOND = {"flags": FLAGS, "rows": 4, "pairs": 2, "inputs": 4, "outputs": 2, "width": 2}
HIDDEN = StepFlag.FIRST | StepFlag.LAST


@pytest.mark.parametrize(("steps", "inputs", "outputs"), [
    ([{**LAYER, "flags": FLAGS}], 0, 4),
    ([{**LAYER, "flags": FLAGS}], 7, 4),  # reads input 7
    ([{**LAYER, "flags": FLAGS}], 8, 3),
    ([{**LAYER, "flags": FLAGS}], 8, 5),
    ([{**LAYER, "flags": FLAGS}], 1025, 4),
    ([{**LAYER, "flags": HIDDEN | StepFlag.OUTPUT}, SECOND], 8, 2),  # 16-bit codes would go to the row DACs
    ([{**LAYER, "flags": HIDDEN}, {**SECOND, "inputs": 5}], 8, 2),  # more than the layer before has
    ([{**LAYER, "flags": HIDDEN}, {**SECOND, "flags": FLAGS & ~StepFlag.FIRST}], 8, 2),
    ([{**LAYER, "flags": StepFlag.FIRST}, {**LAYER, "flags": StepFlag.LAST | StepFlag.OUTPUT, "width": 5}], 8, 5),
    ([{**LAYER, "flags": FLAGS}, {**LAYER, "flags": StepFlag.FIRST}], 8, 4),
    ([{**LAYER, "flags": HIDDEN}, {**SECOND, "flags": StepFlag.FIRST | StepFlag.OUTPUT}], 8, 4),
], ids=range(11))  # fmt: skip
def test_steps_that_do_not_fit_together_make_no_network(bench, asked, steps, inputs, outputs):
    controller = asked(Fabric(bench, ideal=True))
    load(controller, [step(**fields) for fields in steps], inputs, outputs)
    assert controller.refusal(INFER, count=1, codes=[1] * max(inputs, 1)) is ErrorCode.NO_NETWORK


def test_damaged_network_is_none(bench, asked):
    controller = asked(Fabric(bench, ideal=True))
    content = network_bytes([step(**GOOD)], 8, 4)
    for place in (0, 4, 12, len(content) - 1):
        damaged = bytearray(content)
        damaged[place] ^= 4
        controller(MEM_WRITE, memory=Memory.NETWORK, offset=0, data=bytes(damaged))
        assert controller.refusal(INFER, count=1, codes=[1] * 8) is ErrorCode.NO_NETWORK


# Time, and cutting a batch


def two_layers(controller):
    steps = [
        step(flags=HIDDEN | StepFlag.RELU, rows=8, pairs=6, inputs=8, outputs=6, width=6, shift=17),
        step(flags=FLAGS, tile=1, row=2, rows=6, pair=3, pairs=3, inputs=6, outputs=3, width=3, bias=6, shift=17),
    ]
    load(controller, steps, 8, 3, [100] * 9)


def test_infer_takes_the_time_of_its_drives(bench, asked):
    controller = asked(Fabric(bench))
    two_layers(controller)
    controller(INFER, count=7, codes=[50] * 56)
    assert controller.fabric.now_ns == 7 * (7_300 + 12_000 + 7_300 + 6_000)


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 15), max_size=5),
    ahead_us=st.none() | st.floats(0.0, 30 * 32.6),
    doublings=st.integers(0, 12),
    tile=st.integers(0, 1),
    seed=st.integers(0, 3),
)
def test_cutting_a_batch_between_pairs_changes_nothing(asked, same, cuts, ahead_us, doublings, tile, seed):
    """Also when an epoch falls into the batch; vectors are taken two by two, so cuts are even."""
    codes = np.random.default_rng(seed).integers(-CLAMP, CLAMP, (30, 8))
    results = []
    for edges in ([0, 30], [0, *sorted(2 * cut for cut in cuts), 30]):
        controller = asked(Fabric(load_chip("bench-8x16"), seed=seed))
        two_layers(controller)
        fabric = controller.fabric
        for written in range(2):
            for row in range(8):
                fabric.pulse(written, row, np.ones((1, 16), dtype=bool), 0, np.array([3500]), 1229, 10_000)
        if ahead_us is not None:
            epoch_ns = fabric.tiles[tile].last_write_ns + (1_000_000 << doublings)
            fabric.advance(max(epoch_ns - round(1000 * ahead_us) - fabric.now_ns, 0))
        answers = [
            controller(INFER, count=end - start, codes=codes[start:end].ravel())["outputs"]
            for start, end in itertools.pairwise(edges)
            if end > start
        ]
        results.append((np.concatenate(answers), controller.everything()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    same(results[0][1], results[1][1])


# Routes


def model_route(cells, stages, volts):
    """Raw codes (columns,) behind the last stage, each stage (range, attenuation, relu, whether its bias row is driven)."""
    bias_v = volts[-1]  # one DAC drives the last rows of all tiles
    for index, (tia_range, attenuation, relu, _bias) in enumerate(stages):
        current = volts @ cells[index]
        if index == len(stages) - 1:
            return [raw_code(a, tia_range) for a in current]
        column_v = np.clip(current * TIA_OHM[tia_range], -1.25, 1.25)
        pair_v = column_v[0::2] - column_v[1::2]
        if relu:
            pair_v = np.maximum(pair_v, 0.0)
        volts = np.clip(pair_v * attenuation, -0.2, 0.2)
        if stages[index + 1][3]:
            volts[-1] = bias_v
    raise AssertionError


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("attenuator", "attenuation"), [(0, 1.0), (3, 0.125)])
@pytest.mark.parametrize("bias", [False, True])
def test_routed_tiles_pass_volts_from_pair_to_row(bench, asked, with_cells, relu, attenuator, attenuation, bias):
    controller = asked(with_cells(Fabric(bench, ideal=True)))
    cells = [controller.fabric.state()[f"tile{tile}_conductance"] for tile in (1, 0)]
    codes = np.random.default_rng(3).integers(-CLAMP, CLAMP, (12, 8), endpoint=True)
    stage = {"tile": 1, "range": 0, "attenuator": attenuator, "relu": relu, "bias": 0}
    last = {"tile": 0, "range": 1, "attenuator": 0, "relu": 0, "bias": bias}
    controller(ROUTE, stages=[tuple(each.values()) for each in (stage, last)])
    answer = controller(MVM, tile=1, range=0, count=12, codes=codes.ravel())["codes"].reshape(12, 16)
    stages = [(0, attenuation, relu, False), (1, None, None, bias)]
    np.testing.assert_array_equal(answer, [model_route(cells, stages, vector * LSB_V) for vector in codes])
    assert controller.fabric.now_ns == 12 * (7_300 + 1_000 + 16_000)
    # Other tiles are as they were, and no stages end the route.
    plain = controller(MVM, tile=0, range=1, count=1, codes=codes[0])["codes"]
    np.testing.assert_array_equal(plain, [raw_code(a, 1) for a in codes[0] * LSB_V @ cells[1]])
    controller(ROUTE, stages=[])
    plain = controller(MVM, tile=1, range=0, count=1, codes=codes[0])["codes"]
    np.testing.assert_array_equal(plain, [raw_code(a, 0) for a in codes[0] * LSB_V @ cells[0]])


@pytest.mark.parametrize("ahead_us", [None, 0, 100, 230])
def test_cutting_a_routed_batch_changes_nothing(bench, asked, same, ahead_us):
    codes = np.random.default_rng(5).integers(-CLAMP, CLAMP, (20, 8))
    results = []
    for size in (20, 7, 1):
        controller = asked(Fabric(bench, seed=2))
        fabric = controller.fabric
        for tile in range(2):
            for row in range(8):
                fabric.pulse(tile, row, np.ones((1, 16), dtype=bool), 0, np.array([3686]), 1229, 1_000_000)
        if ahead_us is not None:
            fabric.advance(fabric.tiles[1].last_write_ns + 64_000_000 - 1000 * ahead_us - fabric.now_ns)
        controller(ROUTE, stages=[(0, 0, 2, 1, 0), (1, 0, 0, 0, 1)])
        parts = [
            controller(MVM, tile=0, range=0, count=len(part), codes=part.ravel())["codes"]
            for part in (codes[start : start + size] for start in range(0, 20, size))
        ]
        results.append((np.concatenate(parts), controller.everything()))
    for result in results[1:]:
        np.testing.assert_array_equal(results[0][0], result[0])
        same(results[0][1], result[1])


def test_analog_steps_are_a_route(bench, asked, with_cells):
    """One INFER with an ANALOG step gives what the routed MVM gives, corrected, subtracted and requantised."""
    controller = asked(with_cells(Fabric(bench, ideal=True)))
    cells = [controller.fabric.state()[f"tile{tile}_conductance"] for tile in range(2)]
    steps = [
        step(
            flags=StepFlag.ANALOG | StepFlag.RELU | StepFlag.LEVEL,
            rows=5,
            row=1,
            pairs=8,
            inputs=5,
            outputs=8,
            width=8,
            shift=2,
            level=90,
        ),
        step(
            flags=FLAGS | StepFlag.LEVEL,
            tile=1,
            rows=8,
            pair=2,
            pairs=4,
            inputs=8,
            outputs=4,
            width=4,
            level=90,
            scale=32768,
            shift=16,
        ),
    ]
    load(controller, steps, 5, 4, [7, -7, 70, -70])
    codes = np.random.default_rng(8).integers(-CLAMP, CLAMP, (6, 5))
    answer = controller(INFER, count=6, codes=codes.ravel())["outputs"].reshape(6, 4)
    for vector, outputs in zip(codes, answer, strict=True):
        volts = np.zeros(8)
        volts[1:6], volts[7] = vector * LSB_V, 90 * LSB_V
        raw = model_route(cells, [(0, 0.25, True, True), (0, None, None, True)], volts)
        sums = [
            16 * (raw[2 * p] - raw[2 * p + 1]) + bias for p, bias in zip(range(2, 6), [7, -7, 70, -70], strict=True)
        ]
        np.testing.assert_array_equal(outputs, [(total * 32768 + (1 << 15)) >> 16 for total in sums])
