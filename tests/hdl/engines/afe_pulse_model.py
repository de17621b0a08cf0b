"""An `AfePort` served by the emulator's fabric: drives of one row and pulses, as slow as chance has it."""

from collections import deque

import numpy as np

from ohmloom.spec.commands import Polarity

IDLE = {"valid": 0, "column": 0, "raw": 0, "end": 0, "last": 0}


class AfeModel:
    """The front end behind `port`. Each transfer is checked against the port's description.

    `drives` and `pulses` count what the fabric has done; `thinking`: cycles from each drive's last sample to the offer of the pulse
    after it. `latched`: the safety latch, set by a pulse whose current is too large, or by the test: a drive then has one
    sample, and pulses are refused. settle, gap, hold: longest
    time in cycles before a drive's first slot, before a slot's samples and around a pulse; slot: cycles from one slot's last sample
    to the next one's first, instead of a random gap.
    """

    def __init__(self, port, fabric, rng, *, settle=12, gap=6, hold=12, slot=None):
        self.port, self.fabric, self.spec = port, fabric, fabric.spec
        self.drives, self.pulses, self.latched, self.thinking = 0, 0, False, []
        self._slot = slot
        self._rng, self._settle, self._gap, self._hold = rng, settle, gap, hold
        self._codes: dict[int, int] = {}
        self._mask = [None] * fabric.spec.columns
        self._samples = deque()
        self._offers = {}

    async def serve(self, ctx):
        """Background testbench."""
        port = self.port
        waits, done, tripped = 0, 0, False  # cycles until a pulse is taken, and until it is over
        drive_ready = pulse_ready = 0
        since = None  # cycles since a drive's last sample
        names = ("code_write", "code_row", "code", "mask_write", "mask_column", "mask")
        while True:
            values = await ctx.tick().sample(
                *(getattr(port, name) for name in names),
                port.drive.valid, port.drive.payload, port.pulse.valid, port.pulse.payload,
            )  # fmt: skip
            _, _, code_write, row, code, mask_write, column, mask, drive_valid, drive, pulse_valid, pulse = values
            self._holds("drive", drive_valid, drive_ready, drive)
            self._holds("pulse", pulse_valid, pulse_ready, pulse)
            if since is not None:
                since += 1
            if pulse_valid and since is not None:
                self.thinking.append(since)
                since = None
            if code_write:
                self._codes[row] = code
            if mask_write:
                assert not pulse_valid, "the mask changed under an offered pulse"
                assert not done, "the mask changed under a pulse"
                self._mask[column] = bool(mask)
            if drive_valid and drive_ready:
                assert not pulse_valid
                self._drive(drive)
            if pulse_valid and pulse_ready:
                tripped = self._pulse(pulse)
                done = self._rng.randint(1, self._hold)
            ctx.set(port.pulse_done, done == 1)
            ctx.set(port.pulse_tripped, done == 1 and tripped)
            done -= done > 0
            busy = bool(self._samples)
            sample = self._samples.popleft() if busy else IDLE
            ctx.set(port.samples.valid, sample["valid"])
            if sample["last"]:
                since = 0
            for name in ("column", "raw", "end", "last"):
                ctx.set(port.samples.payload[name], sample[name])
            drive_ready = not busy and not done and self._rng.random() < 0.5
            waits -= waits > 0
            if not pulse_valid:
                waits = self._rng.randint(0, self._hold)
            pulse_ready = pulse_valid and not (pulse_ready or waits or busy or done)
            ctx.set(port.drive.ready, drive_ready)
            ctx.set(port.pulse.ready, pulse_ready)
            ctx.set(port.idle, not (busy or done))

    def _holds(self, name, valid, ready, payload):
        """A payload stays until it is taken."""
        payload = {key: int(payload[key]) for key in payload.shape().members}
        if name in self._offers:
            assert valid, f"{name} was taken back"
            assert payload == self._offers[name], f"{name} changed before it was taken"
        self._offers.pop(name, None)
        if valid and not ready:
            self._offers[name] = payload

    def _drive(self, drive):
        spec, adcs = self.spec, self.spec.afe.column_adcs
        assert not drive.routed
        assert drive.rows == 1
        assert (drive.first_slot, drive.last_slot) == (0, (spec.columns - 1) // adcs)
        code = self._codes.pop(int(drive.first_row))
        assert not self._codes, "codes of rows that are not driven"
        if self.latched:
            self._samples.append({"valid": 1, "column": 0, "raw": 0, "end": 0, "last": 1})
            return
        self.fabric.select(int(drive.tile), int(drive.first_row), 1, int(drive.tia_range))
        self.fabric.drive(np.full((1, 1), code))
        (raw,), (ends,) = self.fabric.sample(np.arange(spec.columns))
        self.drives += 1
        self._samples.extend([IDLE] * self._rng.randint(1, self._settle))
        for column in range(spec.columns):
            if column % adcs == 0:
                self._samples.extend([IDLE] * (self._slot or self._rng.randint(1, self._gap)))
            last = column == spec.columns - 1
            self._samples.append(
                {"valid": 1, "column": column, "raw": int(raw[column]), "end": int(ends[column]), "last": last}
            )

    def _pulse(self, pulse):
        """Whether it tripped."""
        assert None not in self._mask
        if self.latched:
            return True
        groups = np.array([self._mask], dtype=bool)
        self.pulses += 1
        self.latched = not self.fabric.pulse(
            int(pulse.tile), int(pulse.row), groups, Polarity(int(pulse.reset)), np.array([pulse.rail]), int(pulse.gate),
            self.spec.pulse_width_ns(int(pulse.width_ns)),
        )  # fmt: skip
        return self.latched
