"""The analog front end as its `AfePort` promises it for drives, with the emulator's fabric behind it."""

from collections import deque

import numpy as np

from ohmloom_emulator.controller.sequencer import slots_of
from ohmloom_emulator.fabric import Stage


class AfeModel:
    """Background testbench that serves one `AfePort` of the dut. What the port does not allow raises AssertionError.

    stall: probability that something comes a cycle later. Cycles, for real rates: shift, of a drive's DAC words; settle, from their
    update to the first slot's samples; slot, from slot to slot. cut: these drives (numbers from 0) end early, as after a trip.

    drives: (cycle in which it was taken, payload) of each.
    """

    def __init__(self, port, fabric, rng, *, stall=0.0, shift=1, settle=1, slot=1, cut=()):
        self.port, self.fabric, self.spec = port, fabric, fabric.spec
        self.drives, self.cut = [], set(cut)
        self._rng, self._stall, self._cycles = rng, stall, (shift, settle, slot)
        self._codes, self._written = np.zeros(self.spec.rows, np.int64), np.zeros(self.spec.rows, bool)
        self._under_way = deque()  # (slots after the first, sample) of each drive that was taken

    async def serve(self, ctx):
        port, cycle, shifted, updated = self.port, 0, 0, None
        taken, missing = None, deque()  # a drive whose codes are not all there, and their rows
        shift, settle, slot = self._cycles
        while True:
            # A drive is taken when the one before it is in force: before that the DACs' registers are not free.
            waiting = len(self._under_way) - (updated is not None)
            ready = not waiting and self._rng.random() >= self._stall
            ctx.set(port.drive.ready, ready)
            ctx.set(port.idle, not self._under_way)
            ctx.set(port.samples.valid, 0)
            if updated is not None:
                samples = self._under_way[0]
                if cycle >= updated + settle + slot * samples[0][0] and self._rng.random() >= self._stall:
                    ctx.set(port.samples.valid, 1)
                    ctx.set(port.samples.payload, samples.popleft()[1])
                if not samples:
                    self._under_way.popleft()
                    updated = None
            _, _, valid, drive, route, write, row, code = await ctx.tick().sample(
                port.drive.valid, port.drive.payload, port.route, port.code_write, port.code_row, port.code
            )
            cycle += 1
            if valid and ready:
                self.drives.append((cycle, drive))
                missing = deque(range(drive.first_row, drive.first_row + drive.rows) if drive.follow else ())
                assert not (missing and self._written.any()), "codes follow that were written before"
                taken, shifted = (drive, route), cycle + shift
                self._under_way.append(None)
            elif write:
                assert not missing or row == missing.popleft(), "codes that follow are not in order"
                self._codes[row], self._written[row] = code, True
            if taken and not missing:
                self._under_way[-1] = self._convert(*taken)
                taken, shifted = None, max(shifted, cycle + 1)
            if updated is None and self._under_way and not taken and cycle >= shifted:
                updated = cycle

    def _convert(self, drive, route):
        spec, fabric = self.spec, self.fabric
        rows = slice(drive.first_row, drive.first_row + drive.rows)
        assert 0 <= drive.first_row < rows.stop <= spec.rows
        assert self._written[rows].all(), "a row's code was not written"
        if drive.routed:
            assert route.stages >= 2
            assert drive.rows == spec.rows
            fabric.route(
                [
                    Stage(stage.tile, stage.tia_range, stage.attenuator, bool(stage.relu), bool(stage.bias))
                    for stage in (route.stage[index] for index in range(route.stages))
                ]
            )
        else:
            fabric.select(drive.tile, drive.first_row, drive.rows, drive.tia_range)
        fabric.drive(self._codes[None, rows])
        self._written[:] = False
        adcs = spec.afe.column_adcs
        columns = slots_of(
            spec, np.array([drive.first_slot * adcs, min(drive.last_slot * adcs, spec.columns - 1)])
        ).tolist()
        raw, saturated = fabric.sample(np.array(columns))
        samples = deque(
            (
                column // adcs - drive.first_slot,
                {"column": column, "raw": code, "end": end, "last": column == columns[-1]},
            )
            for column, code, end in zip(columns, raw[0].tolist(), saturated[0].tolist(), strict=True)
        )
        if len(self.drives) - 1 in self.cut:
            samples = deque(list(samples)[: self._rng.randint(1, len(samples))])
            samples[-1][1]["last"] = True
        return samples
