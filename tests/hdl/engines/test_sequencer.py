"""The sequencer against the emulator's controller: the same answers, and the same events on a fabric of the same seed."""

import binascii
import random
from functools import lru_cache

import numpy as np
import pytest
from tests.hdl.engines.afe_model import AfeModel
from tests.hdl.helpers import Store, simulate

from ohmloom.spec import load_chip
from ohmloom.spec.commands import ANSWER, INFER, MVM, ROUTE, Memory
from ohmloom.spec.memory_map import MemoryMap
from ohmloom.spec.network import HEADER_DTYPE, MAGIC, STEP_DTYPE, StepFlag
from ohmloom_emulator.controller.controller import Controller
from ohmloom_emulator.fabric import Fabric
from ohmloom_hdl.engines.sequencer import Sequencer
from ohmloom_hdl.interfaces import STAGE_NUMBER, JobKind, stage_layout


class Rig:
    """A sequencer with models of store and front end, beside a controller of the emulator. Fabrics and memories are equal."""

    def __init__(self, spec, seed, *, stall=0.0, ideal=False, weights=None, **afe):
        self.spec, self.map = spec, MemoryMap(spec)
        self.controller = Controller(_fabric(spec, seed, ideal))
        self.dut = Sequencer(spec)
        rng = random.Random(seed)
        self.afe = AfeModel(self.dut.afe, _fabric(spec, seed, ideal), rng, stall=stall, **afe)
        self.store = Store(self.dut.store, self.map.bytes, rng, stall)
        self.jobs, self.route = [], []
        self.cycles = []  # of each job

    def load(self, memory, content):
        self.controller.memories.write(memory, 0, content)
        offset = self.map.base[memory]
        self.store.memory[offset : offset + len(content)] = content

    def set_route(self, stages):
        """stages: rows of the command's array."""
        self.route = [
            {"tile": t, "tia_range": r, "attenuator": a, "relu": relu, "bias": bias} for t, r, a, relu, bias in stages
        ]
        self._ask(ROUTE, stages=stages)

    def mvm(self, tile, tia_range, codes, routed=False):
        job = {"kind": JobKind.MVM, "tile": tile, "tia_range": tia_range, "routed": routed, "count": len(codes)}
        self._add(MVM, job, tile=tile, range=tia_range, count=len(codes), codes=codes)

    def infer(self, codes):
        network = self.controller.memories.network
        sizes = {"inputs": network.inputs, "outputs": network.outputs, "steps": len(network.steps)}
        self._add(INFER, {"kind": JobKind.INFER, "count": len(codes), **sizes}, count=len(codes), codes=codes)

    def _ask(self, command, **values):
        payload = command.request.pack(**values)
        assert len(payload) <= self.spec.link.payload_bytes
        kind, answer = self.controller.execute(command.code, payload)
        assert kind == command.code | ANSWER
        return payload, answer

    def _add(self, command, job, **values):
        slot = len(self.jobs) % self.map.slots
        payload, answer = self._ask(command, **values)
        job |= {"data": self.map.request(slot) + command.request.header_bytes, "answer": self.map.answer(slot)}
        self.jobs.append((job, self.map.request(slot), payload, answer))

    def run(self, timeout_cycles=20_000):
        """All jobs; compares answers and fabrics."""
        engine = self.dut.engine

        async def testbench(ctx):
            layout = stage_layout(self.spec)
            settings = [("stages", len(self.route))] if self.route else []
            for number, stage in enumerate(self.route):
                settings.append(("stage", layout.const(stage).as_bits() | number << STAGE_NUMBER))
            for name, word in settings:
                ctx.set(engine.word, word)
                ctx.set(engine.sets[name], 1)
                await ctx.tick()
                ctx.set(engine.sets[name], 0)
            drives = 0
            for job, at, payload, answer in self.jobs:
                self.store.memory[at : at + len(payload)] = payload
                ctx.set(engine.job.payload, job)
                ctx.set(engine.job.valid, 1)
                taken, ended, cycles = False, False, 0
                while not ended:
                    *_, ready, ended, saturated, drive = await ctx.tick().sample(
                        engine.job.ready, engine.done, engine.saturated, engine.count_drive
                    )
                    taken |= ready
                    cycles += 1
                    drives += drive
                    if ready:
                        ctx.set(engine.job.valid, 0)
                        ctx.set(engine.job.payload, {})
                assert taken
                self.cycles.append(cycles)
                if not self.afe.cut:
                    got = bytes(self.store.memory[job["answer"] : job["answer"] + len(answer)])
                    assert got == answer
                    assert saturated == int.from_bytes(answer[:2], "little")
                    assert drives == len(self.afe.drives)
                assert ctx.get(self.afe.port.idle)

        simulate(self.dut, testbench, background=[self.afe.serve, self.store.serve], timeout_cycles=timeout_cycles)
        mine, theirs = self.afe.fabric.state(), self.controller.fabric.state()
        for key, value in theirs.items() if not self.afe.cut else [("time_ns", theirs["time_ns"])]:
            np.testing.assert_array_equal(mine[key], value, err_msg=key)


@lru_cache(maxsize=4)
def _conductances(spec_name, seed):
    spec = load_chip(spec_name)
    low, high = np.log(spec.cell.g_min_siemens), np.log(spec.cell.g_max_siemens)
    return np.exp(np.random.default_rng(seed).uniform(low, high, (spec.tiles, spec.rows, spec.columns)))


def _fabric(spec, seed, ideal):
    fabric = Fabric(spec, seed=seed, ideal=ideal)
    arrays = fabric.state()
    for tile, siemens in enumerate(_conductances(spec.name, seed)):
        arrays[f"tile{tile}_conductance"] = arrays[f"tile{tile}_written"] = siemens.copy()
    fabric.restore(arrays)
    return fabric


def random_codes(spec, rng, shape):
    return rng.integers(-spec.read_clamp, spec.read_clamp + 1, shape)


def load_correction(rig, rng):
    spec = rig.spec
    words = np.empty((spec.tiles * len(spec.afe.tia_ohm) * spec.columns, 2), "<u2")
    words[:, 0] = rng.choice([*rng.integers(-500, 500, 8), -32768, 32767], len(words)).astype(np.int16).view(np.uint16)
    words[:, 1] = rng.choice([*rng.integers(30000, 36000, 8), 0, 65535], len(words))
    rig.load(Memory.CORRECTION, words.tobytes())


def random_network(spec, rng, *, layers=3, wide=20):
    """(steps, inputs): whatever the memories take."""
    inputs = width = int(rng.integers(1, wide))
    # The emulator may take the vectors of a batch together: then no two runs may draw from one tile's analog noise.
    unpassed = set(range(spec.tiles))
    steps = []
    for layer in range(layers):
        outputs = int(rng.integers(1, wide))
        digital = int(rng.integers(1, 4))
        analog = int(rng.integers(0, spec.tiles)) if rng.random() < 0.5 else 0
        for number in range(digital):
            tiles = rng.permutation(spec.tiles)
            passed = tiles[: analog if number == digital - 1 else 0].tolist()
            run = len(passed) if unpassed.issuperset(passed) else 0
            unpassed.difference_update(passed[:run])
            level = int(rng.integers(-spec.read_clamp, spec.read_clamp + 1))
            for place in range(run + 1):
                step = np.zeros((), STEP_DTYPE)
                flags = StepFlag.LEVEL * int(rng.random() < 0.5)
                step["tile"], step["range"], step["level"] = tiles[place], rng.integers(len(spec.afe.tia_ohm)), level
                step["row"] = rng.integers(spec.rows)
                step["rows"] = rng.integers(1, spec.rows - step["row"] + 1)
                step["pair"] = rng.integers(spec.pairs)
                step["pairs"] = rng.integers(1, spec.pairs - step["pair"] + 1)
                step["input"] = rng.integers(width)
                step["inputs"] = rng.integers(1, width - step["input"] + 1)
                if rng.random() < 0.5:
                    step["input"], step["inputs"] = 0, width
                step["output"] = rng.integers(outputs)
                step["outputs"] = rng.integers(1, outputs - step["output"] + 1)
                if rng.random() < 0.5:
                    step["output"], step["outputs"] = 0, outputs
                step["width"], step["bias"] = outputs, rng.integers(spec.controller.biases - outputs + 1)
                if place < run:
                    flags |= StepFlag.ANALOG | StepFlag.RELU * int(rng.random() < 0.5)
                    step["shift"] = rng.integers(len(spec.afe.attenuations))
                else:
                    step["scale"] = rng.choice([0, 1, 65535, *rng.integers(32768, 65536, 6)])
                    step["shift"] = rng.choice([1, 2, 16, 17, 18, 33, 34, 47, *rng.integers(14, 30, 12)])
                    flags |= StepFlag.FIRST * int(number == 0 or rng.random() < 0.2)
                    if number == digital - 1:
                        flags |= StepFlag.LAST | StepFlag.RELU * int(rng.random() < 0.5)
                        flags |= StepFlag.OUTPUT * (layer == layers - 1)
                step["flags"] = flags
                steps.append(step)
        width = outputs
    return steps, inputs, width


def load_network(rig, rng, steps, inputs, outputs):
    body = np.array(steps, dtype=STEP_DTYPE).tobytes()
    header = np.zeros((), HEADER_DTYPE)
    header["magic"], header["steps"], header["crc"] = MAGIC, len(steps), binascii.crc32(body)
    header["inputs"], header["outputs"] = inputs, outputs
    rig.load(Memory.NETWORK, header.tobytes() + body)
    biases = rng.choice([0, -(2**31), 2**31 - 1, *rng.integers(-(2**15), 2**15, 20)], rig.spec.controller.biases)
    rig.load(Memory.BIAS, biases.astype("<i4").tobytes())
    load_correction(rig, rng)


@pytest.fixture(scope="session")
def bench():
    return load_chip("bench-8x16")


@pytest.fixture(scope="session")
def lab():
    return load_chip("lab-128x128x4")


@pytest.mark.parametrize(("seed", "stall"), [(1, 0.0), (2, 0.3), (3, 0.6)])
def test_mvm_batches_answer_as_the_emulator(bench, seed, stall):
    rng = np.random.default_rng(seed)
    rig = Rig(bench, seed, stall=stall)
    for count in (1, 2, 5, 1):
        rig.mvm(int(rng.integers(bench.tiles)), int(rng.integers(2)), random_codes(bench, rng, (count, bench.rows)))
    rig.run()


@pytest.mark.parametrize(("seed", "stall"), [(seed, seed % 3 * 0.3) for seed in range(12)])
def test_networks_answer_as_the_emulator(bench, seed, stall):
    rng = np.random.default_rng(seed)
    rig = Rig(bench, seed, stall=stall, ideal=seed % 4 == 0)
    steps, inputs, outputs = random_network(bench, rng, layers=1 + seed % 3)
    load_network(rig, rng, steps, inputs, outputs)
    for count in (1, 2, 3):
        rig.infer(random_codes(bench, rng, (count, inputs)))
    rig.run()


@pytest.mark.parametrize("seed", range(3))
def test_many_columns_at_once(lab, seed):
    rng = np.random.default_rng(seed)
    rig = Rig(lab, seed, stall=0.2 * seed)
    rig.mvm(int(rng.integers(lab.tiles)), 0, random_codes(lab, rng, (2, lab.rows)))
    steps, inputs, outputs = random_network(lab, rng, layers=2, wide=100)
    load_network(rig, rng, steps, inputs, outputs)
    rig.infer(random_codes(lab, rng, (3, inputs)))
    rig.run()


@pytest.mark.parametrize("seed", range(8))
def test_codes_as_their_last_samples_come(lab, seed):
    """Layers of fewer outputs than pairs, at the rates of the parts and at any others."""
    rng = np.random.default_rng(100 + seed)
    rates = {"shift": 270, "settle": 146, "slot": 20} if seed % 2 else {}
    rig = Rig(lab, seed, stall=seed % 4 // 2 * 0.3, **rates)
    steps, inputs, outputs = random_network(lab, rng, layers=1 + seed % 3)
    load_network(rig, rng, steps, inputs, outputs)
    for count in (1, 2, 5):
        rig.infer(random_codes(lab, rng, (count, inputs)))
    rig.run(timeout_cycles=60_000)


def test_routes(bench, lab):
    for spec in (bench, lab):
        rng = np.random.default_rng(3)
        rig = Rig(spec, 3, stall=0.1)
        stages = [
            (tile, tile % 2, tile % 3, tile % 2, 1 - tile % 2) for tile in rng.permutation(spec.tiles)[:3].tolist()
        ]
        rig.set_route(stages)
        rig.mvm(stages[0][0], 0, random_codes(spec, rng, (2, spec.rows)), routed=True)
        rig.mvm(stages[1][0], 1, random_codes(spec, rng, (1, spec.rows)))
        rig.run()


@pytest.mark.parametrize("kind", ["mvm", "infer"])
def test_job_ends_when_drives_are_cut(bench, kind):
    rng = np.random.default_rng(5)
    for first in (0, 2):
        rig = Rig(bench, 5, cut=range(first, 100))
        steps, inputs, outputs = random_network(bench, rng)
        load_network(rig, rng, steps, inputs, outputs)
        if kind == "mvm":
            rig.mvm(0, 0, random_codes(bench, rng, (4, bench.rows)))
        else:
            rig.infer(random_codes(bench, rng, (3, inputs)))
        rig.run()
