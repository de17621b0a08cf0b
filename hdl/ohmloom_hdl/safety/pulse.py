"""The pulse gate: how long a pulse is, and how long the array rests before it."""

from fractions import Fraction

from amaranth import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom_hdl.interfaces import OutputPort, count_bits
from ohmloom_hdl.safety.clamps import exceeds

# A trip within this many cycles after a pulse is the pulse's: two cycles are the synchroniser's of the over-current
# input, two are for registers at the pins, the rest is the comparator's.
TAIL_CYCLES = 8


class PulseTime:
    """How the pulse gate counts time: down, in nanoseconds and parts of them, an even number of parts in a clock cycle.

    per_ns, per_cycle: parts in a nanosecond and in a clock cycle. bits: of the longest width that a request can name.
    per_rest: what a cycle of rest counts, so that the rest is over once it has counted as much as the pulse lasts;
    rounded down, by at most 1/64. None: no rest is asked for.
    start, first_ns: parts that a count begins with, so that taking away them and a cycle and a half is taking away
    whole nanoseconds and a cycle's parts.
    coarse: bits of a count that are not looked at to tell whether a rest is over; less than what a cycle of rest counts.
    begin_ns: what a rest begins with: one cycle's share, and what those bits may be.
    """

    def __init__(self, spec: ChipSpec) -> None:
        cycle_ns = Fraction(10**9, spec.controller.clock_hz)
        ratio = 1 / Fraction(spec.limits.duty) - 1  # of rest to pulse
        self.per_ns, self.per_cycle = cycle_ns.denominator, cycle_ns.numerator
        while self.per_cycle % 2 or self.per_cycle < 64 * ratio:
            self.per_ns, self.per_cycle = 2 * self.per_ns, 2 * self.per_cycle
        self.bits = count_bits(spec.limits.form_pulse_ns)
        self.per_rest = min(int(self.per_cycle / ratio), self.per_ns << self.bits) if ratio else None
        first = self.per_cycle * 3 // 2
        self.start = (self.per_cycle - first) % self.per_ns
        self.first_ns = (first + self.start) // self.per_ns
        rest_ns = (self.per_rest or 0) // self.per_ns
        self.coarse = max(rest_ns.bit_length() - 1, 0)
        self.begin_ns = -(-self.per_cycle // self.per_ns) + (1 << self.coarse)


class PulseGate(wiring.Component):
    """Opens the gate for pulses that are allowed, one at a time, each for `spec.pulse_cycles(width_ns)` cycles.

    The gate has been closed for width * (1 / duty - 1) before it opens, width being that of the pulse to come, and one
    cycle's share longer, since rounding may have lengthened the pulse.

    A pulse is taken when the gate opens. One that is not allowed is taken at once and nothing comes of it: when it is
    wider than the cap of its mode, or `enable` is low; a forming pulse that is of the RESET direction, or while
    `forming` is low; any other pulse while `forming_level` is high, since then the SET rail may be above the SET clamp.
    When `enable`, or `forming` under a forming pulse, goes low, the gate closes with the next clock edge.

    steady: rails and switches stand still and have settled; a pulse waits for it. hold: they have to stay so, because
    the gate is open or may open with the next edge: a pulse only waits for its rest. done: TAIL_CYCLES after the end,
    with `tripped` if the pulse was refused or cut, or `enable` went low after it.
    """

    def __init__(self, spec: ChipSpec) -> None:
        self._limits, self.time = spec.limits, PulseTime(spec)
        super().__init__(
            {
                "pulse": In(OutputPort(spec).members["pulse"].signature),
                "enable": In(1),
                "forming": In(1),
                "forming_level": In(1),
                "steady": In(1),
                "hold": Out(1),
                "gate": Out(1),
                "done": Out(1),
                "tripped": Out(1),
            }
        )
        # While the gate is open what is left of the pulse; else, below zero, the rest so far.
        self.count = Signal(signed(self.time.bits + 2), init=self.time.begin_ns)
        self.part = Signal(range(self.time.per_ns), init=self.time.start)
        self.first = Signal()
        self.form = Signal()
        self.tail = Signal(range(TAIL_CYCLES + 1))
        self.failed = Signal()

    def elaborate(self, platform) -> Module:
        m = Module()
        limits, time, request = self._limits, self.time, self.pulse.p

        too_long = [exceeds(request.width_ns, cap_ns) for cap_ns in (limits.pulse_ns, limits.form_pulse_ns)]
        waiting, refused, rested, opens = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            refused.eq(
                ~self.enable
                | Mux(request.form, too_long[1], too_long[0])
                | Mux(request.form, request.reset | ~self.forming, self.forming_level)
            ),
            rested.eq((self.count >> time.coarse) + (request.width_ns >> time.coarse) < 0 if time.per_rest else 1),
            waiting.eq(~self.gate & (self.tail == 0)),
            opens.eq(waiting & self.pulse.valid & ~refused & rested & self.steady),
            self.pulse.ready.eq(opens | (waiting & refused)),
            self.hold.eq((waiting & self.pulse.valid & self.steady) | self.gate),
        ]

        # A pulse has an n-th cycle if it is asked for n - 1/2 cycles or more: so the first takes away one and a half.
        (cycle_ns, cycle), (rest_ns, rest) = (
            divmod(parts, time.per_ns) for parts in (time.per_cycle, time.per_rest or 0)
        )
        step_ns, count = Signal.like(self.count), Signal.like(self.count)
        (pulse_borrows, pulse_part), (rest_borrows, rest_part) = self._less(cycle), self._less(rest)
        full, over, cut = Signal(), Signal(), Signal()
        m.d.comb += [
            step_ns.eq(Mux(self.gate, Mux(self.first, time.first_ns, cycle_ns), rest_ns)),
            # The lowest bits make a carry of what is not borrowed: a subtraction is the addition of all bits inverted.
            count.eq((Cat(1, self.count) + Cat(~Mux(self.gate, pulse_borrows, rest_borrows), ~step_ns)) >> 1),
            full.eq(self.count[-1] & ~self.count[time.bits]),
            cut.eq(~self.enable | (self.form & ~self.forming)),
            over.eq(self.gate & (cut | (count < 0))),
        ]
        m.d.sync += [self.first.eq(opens), self.part.eq(Mux(self.gate, pulse_part, rest_part))]
        with m.If(over | opens):
            m.d.sync += self.part.eq(time.start)
        with m.If(over):
            m.d.sync += [self.count.eq(time.begin_ns), self.gate.eq(0)]
        with m.Elif(opens):
            m.d.sync += [self.count.eq(request.width_ns), self.gate.eq(1), self.form.eq(request.form)]
        with m.Elif(~full | self.gate):
            m.d.sync += self.count.eq(count)

        m.d.comb += [self.done.eq(self.tail == 1), self.tripped.eq(self.failed | ~self.enable)]
        with m.If(over | (waiting & self.pulse.valid & refused)):
            m.d.sync += [self.tail.eq(TAIL_CYCLES), self.failed.eq(~self.gate | cut)]
        with m.Elif(self.tail != 0):
            m.d.sync += [self.tail.eq(self.tail - 1), self.failed.eq(self.tripped)]
        return m

    def _less(self, parts: int) -> tuple[Value, Value]:
        """(whether a nanosecond is borrowed, the parts that are left) when `parts` are taken away; bit by bit, as these
        are few and the numbers are constants."""
        borrows = ~exceeds(self.part, parts - 1) if parts else C(0)
        return borrows, Mux(borrows, _plus(self.part, self.time.per_ns - parts), _plus(self.part, -parts))


def _plus(value: Value, constant: int) -> Value:
    bits, carry = [], C(0)
    for index, bit in enumerate(value):
        bits.append(bit ^ carry ^ (constant >> index & 1))
        carry = bit | carry if constant >> index & 1 else bit & carry
    return Cat(bits)
