"""The safety rules, said of the safety block's ports alone with the numbers of the chip spec.

`p` is the `Proof`: the block `p.dut` with monitors of what its pins do. Inputs are free in every cycle, reset included.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from amaranth import C, Module, Mux, Signal, Value
from amaranth.hdl import Assert

from ohmloom.spec.switches import Rail
from ohmloom_hdl.safety.interlocks import watchdog_cycles

from .monitors import REFERENCE_ON, VMID, address, code, command

if TYPE_CHECKING:
    from .proof import Proof


def row_word_allowed(p: Proof, word: Value) -> Value:
    """Write, or write and update all, of a code within the read clamp around Vmid; or the reference on."""
    clamp = p.spec.read_clamp
    writes = (word[28:32] == 0) & ((command(word) == 0) | (command(word) == 2)) & (word[0:8] == 0)
    channel = (address(word) < p.spec.row_dac.channels) | (address(word) == 15)
    within = (code(word) >= VMID - clamp) & (code(word) <= VMID + clamp)
    return (writes & channel & within) | (word == REFERENCE_ON)


def rail_word_allowed(p: Proof, word: Value) -> Value:
    """The same with a code within the clamp of the channel, that of forming for SET; other channels carry nothing."""
    spec, limits = p.spec, p.spec.limits
    clamp_v = {
        Rail.SET: limits.form_v,
        Rail.RESET: limits.reset_v,
        Rail.GATE: limits.gate_v,
        Rail.READ_GATE: limits.gate_v,
    }
    writes = (word[28:32] == 0) & ((command(word) == 0) | (command(word) == 2)) & (word[0:8] == 0)
    within = code(word) == 0
    for channel, volts in clamp_v.items():
        within |= (address(word) == channel) & (code(word) <= spec.rail_code(volts))
    return (writes & ((address(word) < 8) | (address(word) == 15)) & within) | (word == REFERENCE_ON)


def above_set_clamp(p: Proof, word: Value) -> Value:
    writes = (command(word) == 0) | (command(word) == 2)
    return writes & (address(word) == Rail.SET) & (code(word) > p.spec.rail_code(p.spec.limits.set_v))


def clamps(m: Module, p: Proof) -> None:
    """No code beyond its clamp, neither in a shift register as it is loaded nor in the frame that a DAC acts on."""
    row_word, rail_word = Signal(32), p.dut.dacs.words[0]
    for line, word in enumerate(p.dut.dacs.words):
        with m.If(p.line == line):
            m.d.comb += row_word.eq(word)
    opened = p.key.was_open
    p.opened = Signal(reset_less=True)  # forming was open when the rail frame under way was taken
    with m.If(p.rail.begins):
        m.d.sync += p.opened.eq(opened)
    m.d.comb += [
        Assert(~p.row.begins | row_word_allowed(p, row_word), "row code in the shift register"),
        Assert(~p.row.acts | row_word_allowed(p, p.row.word), "row code in the frame"),
        Assert(~p.rail.begins | rail_word_allowed(p, rail_word), "rail code in the shift register"),
        Assert(~p.rail.acts | rail_word_allowed(p, p.rail.word), "rail code in the frame"),
        Assert(~(p.rail.begins & above_set_clamp(p, rail_word)) | opened, "forming level loaded only while forming"),
        Assert(~(p.rail.acts & above_set_clamp(p, p.rail.word)) | p.opened, "forming level sent only while forming"),
        Assert(p.dut.row_dac.clock_high & p.dut.rail_dac.clock_high, "one falling edge a cycle"),
    ]


def forming_level(m: Module, p: Proof) -> None:
    """No pulse of SET or RESET with the SET rail beyond the SET clamp."""
    above = p.set_rail.held > p.spec.rail_code(p.spec.limits.set_v)
    m.d.comb += Assert(~(p.dut.pulse_gate & ~p.pulse.asked_form & above), "no SET pulse at a forming level")


def times(value: Value, constant: int) -> Value:
    """Shifted and added: solvers find multiplication hard."""
    return sum((value << bit for bit in range(constant.bit_length()) if constant >> bit & 1), C(0))


def pulse_length(m: Module, p: Proof) -> None:
    """No pulse longer than its cap or than asked for; whole cycles as spec.pulse_cycles unless it is cut."""
    limits, per_cycle, half = p.spec.limits, p.per_cycle, p.per_cycle // 2
    form_cap, pulse_cap = (p.spec.pulse_cycles(ns) * per_cycle for ns in (limits.form_pulse_ns, limits.pulse_ns))
    gate_before = p.past(m, p.dut.pulse_gate)
    cut = p.past(m, p.dut.control.tripped) | p.dut.control.tripped | (p.pulse.asked_form & ~p.key.was_open)
    # n cycles for n - 1/2 up to n + 1/2; tests/hdl/safety compares this with spec.pulse_cycles for every width.
    asked, length = times(p.pulse.asked_ns, p.per_ns), p.pulse.length
    rounded = (asked < length + half) & ((length <= asked + half) | (length == per_cycle))
    m.d.comb += [
        Assert(~p.dut.pulse_gate | (length < Mux(p.pulse.asked_form, form_cap, pulse_cap)), "pulse within its cap"),
        Assert(~(gate_before & ~p.dut.pulse_gate) | cut | rounded, "pulse as long as asked for"),
        Assert(gate_before | ~p.dut.pulse_gate | p.past(m, p.pulse.taken), "one pulse for one request"),
    ]


def rest(m: Module, p: Proof) -> None:
    """Before a pulse the gate has been closed for its width * (1 / duty - 1)."""
    rests, pulses = (1 / Fraction(p.spec.limits.duty) - 1).as_integer_ratio()
    length = p.pulse.length + p.per_cycle
    m.d.comb += Assert(~p.dut.pulse_gate | (length * rests <= p.pulse.rest * pulses), "rest before a pulse")


def open_after_trip(m: Module, p: Proof) -> None:
    """While the latch is set, and before DACs are at rest, no switch is closed and the gate neither."""
    dut = p.dut
    m.d.comb += [
        Assert(~dut.control.tripped | ~dut.switch_reset_n, "all switches open while the latch is set"),
        Assert(~dut.control.tripped | ~dut.pulse_gate, "gate closed while the latch is set"),
        Assert(dut.switch_reset_n | ~dut.pulse_gate, "gate closed while all switches are open"),
        Assert(dut.out.ready == dut.switch_reset_n, "ready says so"),
        Assert(dut.control.tripped == dut.control.cause.any(), "a cause for every trip"),
    ]


def start(m: Module, p: Proof) -> None:
    """Switches may close only when, since power-up or the trip, all DACs were sent to rest and have settled."""
    since = Signal(range(p.settling + 1))  # the last frame that a DAC acted on
    with m.If(~p.dut.switch_reset_n & (p.row.acts | p.rail.acts)):
        m.d.sync += since.eq(0)
    with m.Elif(since < p.settling):
        m.d.sync += since.eq(since + 1)
    p.since = since
    opens = p.dut.switch_reset_n & ~p.past(m, p.dut.switch_reset_n)
    m.d.comb += [
        Assert(~p.dut.switch_reset_n | (p.row_stages.stage == 2), "rows at Vmid"),
        Assert(~p.dut.switch_reset_n | (p.rail_stages.stage == 3), "rails at rest"),
        Assert(~opens | (since >= p.settling), "DACs settled"),
    ]


def forming(m: Module, p: Proof) -> None:
    """Forming pulses only between a form_begin that found the key armed and form_end or a trip."""
    control = p.dut.control
    m.d.comb += [
        Assert(~control.armed | p.key.armed, "armed only by the key"),
        Assert(~(p.dut.pulse_gate & p.pulse.asked_form) | p.key.was_open, "no forming pulse without the key"),
    ]


def stillness(m: Module, p: Proof) -> None:
    """In a pulse no rail and no switch moves, and rails have settled; reset switches take nothing over."""
    dut, switch = p.dut, p.dut.switch
    m.d.comb += [
        Assert(~(dut.pulse_gate & p.rail.acts), "no rail moves in a pulse"),
        Assert(~dut.pulse_gate | (p.set_rail.since >= p.settling), "rails have settled"),
        Assert(~dut.pulse_gate | switch.select_n, "no switch moves in a pulse"),
        Assert(switch.clock_high & (~switch.select_n | switch.clock_low), "switches are clocked while selected"),
        Assert(dut.switch_reset_n | switch.select_n | ~p.past(m, switch.select_n, init=1), "no bits to reset switches"),
    ]


def watchdog(m: Module, p: Proof) -> None:
    """An operation without progress for watchdog_cycles trips."""
    out = p.dut.out
    progress = (
        (out.row_frame.valid & out.row_frame.ready)
        | (out.rail_frame.valid & out.rail_frame.ready)
        | out.switch_latch
        | out.pulse_done
    )
    cycles = watchdog_cycles(p.spec)
    p.stalled = Signal(range(cycles + 1))
    with m.If(~out.operating | progress):
        m.d.sync += p.stalled.eq(0)
    with m.Elif(p.stalled < cycles):
        m.d.sync += p.stalled.eq(p.stalled + 1)
    expired = p.past(m, p.stalled >= cycles)
    m.d.comb += [
        Assert(~expired | p.dut.control.tripped, "the watchdog trips"),
        Assert(~expired | ~(p.dut.switch_reset_n | p.dut.pulse_gate), "all open once the watchdog has expired"),
    ]


def latch(m: Module, p: Proof) -> None:
    """The host trips, and nothing but `clear` ends a trip."""
    control = p.dut.control
    m.d.comb += [
        Assert(~p.past(m, control.trip) | control.tripped, "the host trips"),
        Assert(~p.past(m, control.tripped) | control.tripped | p.past(m, control.clear), "a trip stays until cleared"),
    ]


def over_current(m: Module, p: Proof) -> None:
    """Over-current trips in three cycles, two of the synchroniser and one of the latch; `clear` is no help while it lasts."""
    m.d.comb += Assert(~p.past(m, p.dut.over_current, 3) | p.dut.control.tripped, "over-current trips")


# Those that are proved together, with the invariants; over_current needs none of these, but a depth of its three
# cycles.
RULES = (clamps, forming_level, pulse_length, rest, open_after_trip, start, forming, stillness, watchdog, latch)
