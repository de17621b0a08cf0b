"""cocotb: drives and pulses through front end, safety block and pads, against a second fabric driven by transactions."""

from __future__ import annotations

import os
import random
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from attach import attach, clock_period_ps
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from ohmloom.spec import ChipSpec, load_chip
from ohmloom.spec.commands import Polarity
from ohmloom_emulator.fabric import Fabric, Stage
from ohmloom_hdl.afe.adc import AdcDriver
from ohmloom_hdl.afe.parts import Settling
from ohmloom_hdl.interfaces import drive_layout, pulse_layout, route_layout, sample_layout

SPEC = load_chip(os.environ.get("OHMLOOM_CHIP", "bench-8x16"))


def fabrics(spec: ChipSpec, seed: int = 0) -> tuple[Fabric, Fabric]:
    """Two of the same seed, all cells at random conductances."""
    made = []
    for _ in range(2):
        fabric = Fabric(spec, seed=seed, stuck=0.0)
        arrays = fabric.state()
        siemens = np.random.default_rng(seed).uniform(1e-6, 40e-6, (spec.tiles, spec.rows, spec.columns))
        for tile in range(spec.tiles):
            arrays[f"tile{tile}_conductance"] = arrays[f"tile{tile}_written"] = siemens[tile].copy()
        fabric.restore(arrays)
        made.append(fabric)
    return made[0], made[1]


def same_state(ours: Fabric, theirs: Fabric) -> None:
    expected = theirs.state()
    for key, array in ours.state().items():
        np.testing.assert_array_equal(array, expected[key], err_msg=key)


class Engine:
    """An engine at the `AfePort` of the device under test. `samples` holds a list of (column, raw, end) for each drive."""

    def __init__(self, dut: Any, spec: ChipSpec) -> None:
        self.dut, self.spec = dut, spec
        self.samples: list[list[tuple[int, int, int]]] = [[]]
        self.pulse_ends: list[int] = []
        for name in ("code_write", "mask_write", "drive__valid", "pulse__valid", "drive__payload", "pulse__payload"):
            getattr(dut, f"engine__{name}").value = 0
        for name in ("trip", "clear", "arm", "disarm", "form_begin", "form_end"):
            getattr(dut, f"control__{name}").value = 0
        self._set_route([])

    async def start(self) -> None:
        """Reset, until the DACs hold Vmid."""
        dut = self.dut
        cocotb.start_soon(Clock(dut.clk, clock_period_ps(self.spec), "ps").start())
        dut.rst.value = 1
        for _ in range(4):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        cocotb.start_soon(self._listen())
        await self.until(dut.ready)

    async def until(self, signal: Any, level: int = 1) -> None:
        while True:
            await RisingEdge(self.dut.clk)
            if int(signal.value) == level:
                return

    async def idle(self) -> None:
        await self.until(self.dut.engine__idle)

    async def _listen(self) -> None:
        dut, layout = self.dut, sample_layout(self.spec)
        while True:
            await RisingEdge(dut.clk)
            if int(dut.engine__samples__valid.value):
                sample = layout.from_bits(int(dut.engine__samples__payload.value))
                self.samples[-1].append((sample.column, sample.raw, sample.end))
                if sample.last:
                    self.samples.append([])
            if int(dut.engine__pulse_done.value):
                self.pulse_ends.append(int(dut.engine__pulse_tripped.value))

    async def _take(self, stream: str, payload: int) -> None:
        valid, ready = getattr(self.dut, f"engine__{stream}__valid"), getattr(self.dut, f"engine__{stream}__ready")
        getattr(self.dut, f"engine__{stream}__payload").value = payload
        valid.value = 1
        await self.until(ready)
        valid.value = 0

    def _set_route(self, stages: list[Stage]) -> None:
        content = [
            {
                "tile": stage.tile,
                "tia_range": stage.tia_range,
                "attenuator": stage.attenuator,
                "relu": stage.relu,
                "bias": stage.bias,
            }
            for stage in stages
        ]
        value = route_layout(self.spec).const({"stages": len(stages), "stage": content}).as_bits()
        for name, width, offset in _route_ports(self.spec):
            getattr(self.dut, f"engine__route{name}").value = value >> offset & ((1 << width) - 1)

    async def _codes(self, first_row: int, codes: list[int]) -> None:
        dut, spec = self.dut, self.spec
        for row, code in enumerate(codes, first_row):
            dut.engine__code_write.value = 1
            dut.engine__code_row.value = row % spec.rows
            dut.engine__code.value = code & 0xFFF
            await RisingEdge(dut.clk)
        dut.engine__code_write.value = 0

    async def drive(
        self,
        request: dict[str, int],
        codes: list[int],
        stages: list[Stage] = (),  # type: ignore
        follow: bool = False,
    ) -> None:
        first_row = request["first_row"]
        if not follow:
            await self._codes(first_row, codes)
        if stages:
            self._set_route(stages)
        fields = {"rows": len(codes), "routed": bool(stages), "follow": follow, **request}
        await self._take("drive", drive_layout(self.spec).const(fields).as_bits())
        if follow:
            await self._codes(first_row, codes)

    async def pulse(self, request: dict[str, int], mask: np.ndarray) -> int:
        """Whether it tripped."""
        dut, ends = self.dut, len(self.pulse_ends)
        for column, bit in enumerate(mask):
            dut.engine__mask_write.value = 1
            dut.engine__mask_column.value = column
            dut.engine__mask.value = int(bit)
            await RisingEdge(dut.clk)
        dut.engine__mask_write.value = 0
        await self._take("pulse", pulse_layout(self.spec).const({"form": 0, **request}).as_bits())
        while len(self.pulse_ends) == ends:
            await RisingEdge(dut.clk)
        return self.pulse_ends[-1]


def _route_ports(spec: ChipSpec) -> list[tuple[str, int, int]]:
    """(name, bits, offset) of the ports that the route comes in through."""
    return [("", route_layout(spec).size, 0)]


def random_stages(rng: random.Random) -> list[Stage]:
    tiles = rng.sample(range(SPEC.tiles), rng.randint(2, SPEC.tiles))
    ranges, attenuations = len(SPEC.afe.tia_ohm), len(SPEC.afe.attenuations)
    return [
        Stage(tile, rng.randrange(ranges), rng.randrange(attenuations), rng.random() < 0.5, rng.random() < 0.5)
        for tile in tiles
    ]


def expected(
    fabric: Fabric, request: dict[str, int], codes: list[int], stages: list[Stage]
) -> list[tuple[int, int, int]]:
    """Samples that the same events have on a fabric that is driven by transactions."""
    adcs = SPEC.afe.column_adcs
    columns = np.arange(request["first_slot"] * adcs, min((request["last_slot"] + 1) * adcs, SPEC.columns))
    if stages:
        fabric.route(stages)
    else:
        fabric.select(request["tile"], request["first_row"], len(codes), request["tia_range"])
    fabric.drive(np.array([codes], dtype=np.int64))
    raw, ends = fabric.sample(columns)
    return [(int(c), int(r), int(e)) for c, r, e in zip(columns, raw[0], ends[0], strict=True)]


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(seed=range(2))
async def drives_and_pulses(dut: Any, seed: int) -> None:
    """Samples, conductances, time and energy are those of the same transactions."""
    rng = random.Random(seed)
    real, twin = fabrics(SPEC, seed)
    bench, engine = attach(dut, real), Engine(dut, SPEC)
    await engine.start()
    slots = -(-SPEC.columns // SPEC.afe.column_adcs)
    wanted = []
    for _ in range(24 if SPEC.rows < 100 else 12):
        kind = rng.choice(["tile", "window", "window", "reference", "route", "pulse"])
        if kind == "pulse":
            reset = rng.randrange(2)
            mask = np.array([rng.random() < 0.4 for _ in range(SPEC.columns)])
            rail, gate = rng.randrange(600, 2400), rng.randrange(1500, 4096)
            request = {
                "tile": rng.randrange(SPEC.tiles), "row": rng.randrange(SPEC.rows), "reset": reset,
                "rail": rail, "gate": gate, "width_ns": rng.choice([rng.randint(1, 200), rng.randint(200, 4000)]),
            }  # fmt: skip
            tripped = await engine.pulse(request, mask)
            well = twin.pulse(
                request["tile"], request["row"], mask[None, :], Polarity(reset), np.array([rail]), gate,
                SPEC.pulse_width_ns(request["width_ns"]),
            )  # fmt: skip
            assert not tripped
            assert well == 1
            continue
        stages = random_stages(rng) if kind == "route" else []
        first_row = {"reference": SPEC.rows, "window": rng.randrange(SPEC.rows)}.get(kind, 0)
        rows = {"reference": rng.randrange(2), "window": rng.randint(1, SPEC.rows - first_row % SPEC.rows)}.get(
            kind, SPEC.rows
        )
        first_slot = rng.randrange(slots)
        request = {
            "tile": rng.randrange(SPEC.tiles), "first_row": first_row, "tia_range": rng.randrange(len(SPEC.afe.tia_ohm)),
            "first_slot": first_slot, "last_slot": rng.randrange(first_slot, slots),
        }  # fmt: skip
        codes = [rng.randint(-SPEC.read_clamp, SPEC.read_clamp) for _ in range(rows)]
        await engine.drive(request, codes, stages, follow=kind in ("tile", "window") and rng.random() < 0.5)
        wanted.append(expected(twin, request, codes, stages))
    await engine.idle()
    assert engine.samples.pop() == []
    assert engine.samples == wanted
    assert int(dut.control__tripped.value) == 0
    assert len(bench.drives) == len(wanted)
    same_state(real, twin)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def whole_tiles_follow_each_other(dut: Any) -> None:
    """Data-sheet settling and 16 conversions, with 10 % to spare."""
    rng = random.Random(0)
    real, _ = fabrics(SPEC)
    bench, engine = attach(dut, real), Engine(dut, SPEC)
    await engine.start()
    slots = SPEC.columns // SPEC.afe.column_adcs
    request = {"tile": 1, "first_row": 0, "tia_range": 0, "first_slot": 0, "last_slot": slots - 1}
    for _ in range(6):
        await engine.drive(request, [rng.randint(-SPEC.read_clamp, SPEC.read_clamp) for _ in range(SPEC.rows)])
    await engine.idle()
    firsts = [first_ps for _, _, first_ps in bench.drives]
    periods = [(second - first) / clock_period_ps(SPEC) for first, second in pairwise(firsts[1:])]
    cycles = Settling.of(SPEC).drive + (slots - 1) * AdcDriver(SPEC).frame + 2
    assert periods == [cycles] * 4
    bound_ns = SPEC.settle_ns + slots * SPEC.column_adc.conversion_ns
    ratio = cycles * 1e9 / SPEC.controller.clock_hz / bound_ns
    dut._log.info(f"{cycles} cycles between vectors, {ratio:.3f} of the converters' bound")
    assert ratio <= 1.1


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def over_current_cuts_a_pulse(dut: Any) -> None:
    """The pulse ends as tripped, all switches open, and drives are taken and end; cleared, everything works again."""
    # Less than a row of cells takes once they are well set.
    limits = SPEC.limits.model_copy(update={"over_current_a": 1e-4 * SPEC.columns})
    real, twin = fabrics(SPEC.model_copy(update={"limits": limits}))
    bench, engine = attach(dut, real), Engine(dut, SPEC)
    await engine.start()
    all_columns = np.ones(SPEC.columns, dtype=bool)
    request = {
        "tile": 0, "row": 1, "reset": 0, "rail": SPEC.rail_code(limits.set_v), "gate": SPEC.rail_code(limits.gate_v),
        "width_ns": 5000,
    }  # fmt: skip
    well = True
    while well:
        assert len(bench.pulses) < 20, "never over the rail's current"
        well = not await engine.pulse(request, all_columns)
        rails, width_ns = np.array([request["rail"]]), SPEC.pulse_width_ns(request["width_ns"])
        done = twin.pulse(0, 1, all_columns[None, :], Polarity.SET, rails, request["gate"], width_ns)
        assert done == well
    assert bench.pulses[-1][1] == SPEC.trip_width_ns
    same_state(real, twin)
    assert int(dut.control__tripped.value) == 1
    assert bench.state is None
    drives = len(bench.drives)
    drive = {"tile": 0, "first_row": 1, "tia_range": 1, "first_slot": 0, "last_slot": 3}
    await engine.drive(drive, [SPEC.read_clamp])
    await engine.idle()
    assert [column for column, _, _ in engine.samples[0]] == list(range(4 * SPEC.afe.column_adcs))
    assert len(bench.drives) == drives
    dut.control__clear.value = 1
    await RisingEdge(dut.clk)
    dut.control__clear.value = 0
    await engine.until(dut.ready)
    await engine.drive(drive, [SPEC.read_clamp])
    await engine.idle()
    assert len(bench.drives) == drives + 1
