"""How the safety block's registers and the monitors of its pins go together: what makes the properties inductive.

These promise nothing; without them induction would need as much depth as a forming pulse has cycles.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from amaranth import Module, Mux, Signal, Value
from amaranth.hdl import Assert

from ohmloom.spec.switches import Rail
from ohmloom_hdl.afe.dac import Ad5628
from ohmloom_hdl.safety.start_up import FRAMES

from .monitors import RAILS_TO_ZERO, REFERENCE_ON, ROWS_TO_VMID, VMID, WORD, DacMonitor, address, code, command
from .properties import above_set_clamp, rail_word_allowed, row_word_allowed, times

if TYPE_CHECKING:
    from .proof import Proof


def _whole(m: Module, driver: Ad5628, bus: int, monitor: DacMonitor, word: Value) -> tuple[Value, Value]:
    """(a frame is under way, the word of which the part has sampled the first bits and the driver holds the others)."""
    under_way, whole = driver.selected[bus], Signal(WORD)
    for sampled in range(WORD):
        with m.If(monitor.count == sampled):
            rest = WORD - sampled
            m.d.comb += whole.eq(monitor.bits[:sampled] << rest | word >> sampled if sampled else word)
    m.d.comb += Assert(~under_way | (monitor.count == driver.sent), "bits sampled and sent")
    return under_way, whole


def frames(m: Module, p: Proof) -> None:
    dacs = p.dut.dacs
    row_word, row_code = Signal(WORD), Signal(12)
    p.row_code = row_code
    for line, word in enumerate(dacs.words):
        with m.If(p.line == line):
            m.d.comb += [row_word.eq(word), row_code.eq(p.dut.row_codes[line])]
    p.row_busy, p.row_whole = _whole(m, dacs, 0, p.row, row_word)
    p.rail_busy, p.rail_whole = _whole(m, dacs, 1, p.rail, dacs.words[0])
    clamp = p.spec.read_clamp
    first = p.rail.count == 0
    opened = Mux(first, p.key.was_open, p.opened)
    m.d.comb += [
        Assert(~p.row_busy | row_word_allowed(p, p.row_whole), "row word under way"),
        Assert(~p.rail_busy | rail_word_allowed(p, p.rail_whole), "rail word under way"),
        Assert(~(p.rail_busy & above_set_clamp(p, p.rail_whole)) | opened, "forming word under way"),
        Assert((row_code >= VMID - clamp) & (row_code <= VMID + clamp), "row codes kept"),
        Assert((dacs.waits == (p.row_whole[24:28] == 2)) | ~p.row_busy, "a row frame's update"),
        Assert((dacs.waits == (p.rail_whole[24:28] == 2)) | ~p.rail_busy, "a rail frame's update"),
        Assert((p.rail.selected_before == (p.rail_busy & ~first)) | ~p.rail_busy, "first bit of a rail frame"),
        Assert((p.row.selected_before == (p.row.count != 0)) | ~p.row_busy, "first bit of a row frame"),
        Assert(dacs.selected.any() | (dacs.sent == 0), "frames begin with their first bit"),
    ]


def levels(m: Module, p: Proof) -> None:
    """The SET rail's level flags, once its registers were set at a start: as they will be after the frame under way."""
    clamp, whole, level = p.spec.rail_code(p.spec.limits.set_v), p.rail_whole, p.dut.rail_level
    updates = p.rail_busy & (command(whole) == 2)
    writes = updates | (p.rail_busy & (command(whole) == 0))
    written, held = Signal(12), Signal(12)
    m.d.comb += [
        written.eq(
            Mux(writes & ((address(whole) == Rail.SET) | (address(whole) == 15)), code(whole), p.set_rail.written)
        ),
        held.eq(Mux(updates, written, p.set_rail.held)),
    ]
    with m.If(p.dut.start_up.step >= 3):
        m.d.comb += [
            Assert(~(written > clamp) | level.written, "SET input register beyond the clamp"),
            Assert(~(held > clamp) | level.forming_level, "SET output beyond the clamp"),
        ]


def start(m: Module, p: Proof) -> None:
    start_up = p.dut.start_up
    for stages, busy, whole, words in (
        (p.row_stages, p.row_busy, p.row_whole, [REFERENCE_ON, ROWS_TO_VMID, None, None]),
        (p.rail_stages, p.rail_busy, p.rail_whole, [REFERENCE_ON, None, RAILS_TO_ZERO, p.rails_to_reading]),
    ):  # None: a frame of the others
        sent = [0, *itertools.accumulate(word is not None for word in words)]  # stage after so many frames
        with m.If(start_up.ready):
            m.d.comb += Assert(stages.stage == sent[FRAMES], "at rest")
        with m.Elif((start_up.step == 0) & ~p.dut.control.tripped):
            m.d.comb += Assert(stages.stage <= ~busy, "at most a reference that was under way")
        for step in range(1, FRAMES + 1):
            with m.If((start_up.step == step) & ~start_up.ready & busy):
                word = words[step - 1]
                m.d.comb += Assert((whole == word) if word is not None else 0, "frame of the start")
                m.d.comb += Assert(
                    (stages.stage == sent[step - 1]) | ((step == 1) & (stages.stage <= 1)), "stage before it"
                )
            with m.If((start_up.step == step) & ~start_up.ready & ~busy):
                m.d.comb += Assert(stages.stage == sent[step], "stage after it")
    with m.If((start_up.step != 0) & ~start_up.ready):
        m.d.comb += Assert(p.row_code == VMID, "row codes of the start")
    with m.If((start_up.step == FRAMES) & (start_up.ready | ~p.rail_busy)):
        m.d.comb += Assert(p.set_rail.since + p.dut.unsettled >= p.settling, "rails settling")
        m.d.comb += Assert(start_up.ready | (p.since + p.dut.unsettled >= p.settling), "all settling")


def pulses(m: Module, p: Proof) -> None:
    gate, pulse, limits = p.dut.gate, p.pulse, p.spec.limits
    per_cycle, per_rest = p.per_cycle, gate.time.per_rest
    asked, time = times(pulse.asked_ns, p.per_ns), gate.time
    count = times(gate.count, p.per_ns) + gate.part
    m.d.comb += Assert(gate.part < p.per_ns, "parts of a nanosecond")
    with m.If(gate.gate):
        m.d.comb += [
            Assert(gate.form == pulse.asked_form, "mode of the pulse"),
            Assert(gate.first == (pulse.length == 0), "first cycle"),
            Assert(count + pulse.length + Mux(gate.first, -time.start, per_cycle // 2) == asked, "what is left"),
            Assert(gate.count >= 0, "something is left"),
            Assert(pulse.asked_ns <= Mux(gate.form, limits.form_pulse_ns, limits.pulse_ns), "no more than the cap"),
            Assert(pulse.rest >= asked + 2 * per_cycle, "rested before"),
        ]
    with m.Else():
        m.d.comb += [
            Assert(count + Mux(pulse.length == 0, pulse.rest, 0) >= time.begin_ns * p.per_ns, "rest so far"),
            Assert(gate.count >= -(1 << time.bits) - per_rest // p.per_ns - 1, "rest has a highest count"),
        ]


def interlocks(m: Module, p: Proof) -> None:
    dut, control = p.dut, p.dut.control
    gate, key, start_up = dut.gate, dut.key, dut.start_up
    m.d.comb += [
        Assert(~control.tripped | (start_up.step == 0), "a trip starts anew"),
        Assert(start_up.step <= FRAMES, "no further step"),
        Assert(~start_up.ready | (start_up.step == FRAMES), "ready after all steps"),
        Assert(~gate.gate | ~p.rail_busy, "no rail frame in a pulse"),
        Assert(~gate.gate | (dut.unsettled == 0), "settled in a pulse"),
        Assert(~gate.gate | ~dut.switches.selected, "no switch bits in a pulse"),
        Assert(~(gate.gate & ~gate.form) | ~dut.rail_level.forming_level, "no forming level in a pulse"),
        Assert(~(gate.gate & gate.form) | p.key.was_open, "forming was open"),
        Assert(key.armed == (p.key.armed & ~control.tripped), "key armed"),
        Assert(key.forming == (p.key.open & ~control.tripped), "forming open"),
        Assert(dut.watchdog.count == p.stalled, "watchdog's count"),
    ]


INVARIANTS = (frames, levels, start, pulses, interlocks)
