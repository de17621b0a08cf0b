"""The command processor's data path: two cycles an instruction, and one for each further byte of the store."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.commands.crc32 import Crc32
from ohmloom_hdl.commands.isa import STACK, STACK_DEPTH, Access, Alu, Op, Special
from ohmloom_hdl.commands.microcode import microcode
from ohmloom_hdl.commands.ports import COUNTERS, InPort, OutPort, SafetyStrobe, State
from ohmloom_hdl.interfaces import (
    EnginePort,
    RequestPort,
    SafetyControl,
    StorePort,
    route_layout,
    stage_layout,
)

COUNT_BITS = 3  # of events between two looks of the microcode, which come more often than drives, pulses or frames


class CommandProcessor(wiring.Component):
    """Executes the requests of the link, in order: the answers are those of `ohmloom_emulator.controller.controller`.

    The fields of a job keep their values until its engine is `done`; only then is the next request looked at. `count_*` are
    strobes of the link's events. With `emulated`, ADVANCE is passed to whoever emulates the fabric: its request's bytes
    through `to_fabric`, a byte that says whether it was taken and the answer's bytes through `from_fabric`. With `fill`, the
    memory is given its content at power-up, before the first request.
    """

    def __init__(self, spec: ChipSpec, *, emulated: bool = False, fill: bool = False) -> None:
        self._spec, self._emulated = spec, emulated
        self._program = microcode(spec, emulated=emulated, fill=fill)
        ports = {
            "requests": In(RequestPort(spec)),
            "store": Out(StorePort(spec)),
            "engine": Out(EnginePort(spec)),
            "safety": Out(SafetyControl()),
            "route": Out(route_layout(spec)),
            **{f"count_{name}": In(1) for name in COUNTERS[:4]},
        }
        if emulated:
            ports["to_fabric"] = Out(stream.Signature(8, always_ready=True))
            ports["from_fabric"] = In(stream.Signature(8))
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        words, initial = self._program.words(), self._program.registers()
        m.submodules.program = program = memory.Memory(shape=16, depth=len(words), init=words)
        fetch = program.read_port()
        m.submodules.registers = registers = BlockRam(shape=16, depth=256, init=initial)

        # State
        accumulator, zero, carry, negative = Signal(16), Signal(init=1), Signal(), Signal()
        pc, depth = Signal(range(len(words))), Signal(range(STACK_DEPTH))
        address_bits = len(self.store.address) + 1
        read_at, write_at = Signal(address_bits), Signal(address_bits)
        odd_code = Signal()

        instruction = Signal(16)
        m.d.comb += instruction.eq(fetch.data)
        op = Signal(Op)
        function, argument, target = instruction[8:12], instruction[:8], instruction[:12]
        m.d.comb += op.eq(instruction[12:])
        is_return = (op == Op.SPECIAL) & (function == Special.RETURN)

        # ALU
        other, result, sum_ = Signal(16), Signal(16), Signal(17)
        subtract = Signal()
        borrow = Signal()
        m.d.comb += [
            other.eq(Mux(op == Op.ALU_I, argument, registers.data_r)),
            subtract.eq(function.matches(Alu.SUBTRACT, Alu.SUBTRACT_C, Alu.COMPARE, Alu.COMPARE_C)),
            borrow.eq(function.matches(Alu.ADD_C, Alu.SUBTRACT_C, Alu.COMPARE_C) & carry),
            # A borrow is the complement of the adder's carry.
            # One adder: the carry comes in through a bit below.
            sum_.eq((Cat(1, accumulator) + Cat(subtract ^ borrow, other ^ subtract.replicate(16)))[1:]),
        ]
        with m.Switch(function):
            with m.Case(Alu.MOVE):
                m.d.comb += result.eq(other)
            with m.Case(Alu.AND):
                m.d.comb += result.eq(accumulator & other)
            with m.Case(Alu.OR):
                m.d.comb += result.eq(accumulator | other)
            with m.Case(Alu.XOR):
                m.d.comb += result.eq(accumulator ^ other)
            with m.Case(Alu.SHIFT_RIGHT):
                m.d.comb += result.eq(accumulator[1:])
            with m.Case(Alu.HIGH):
                m.d.comb += result.eq(Cat(accumulator[:8], argument))
            with m.Default():
                m.d.comb += result.eq(sum_[:16])

        # Ports
        port_in = Signal(16)
        self._reads = Signal()
        self._inputs(m, argument, write_at, port_in)
        port_write = Signal()
        self._outputs(m, argument, accumulator, port_write)

        # Store
        place, low, second = Signal(address_bits), Signal(8), Signal()
        latched = Signal()  # the byte of the word that comes in this cycle
        puts = function[2]
        fetched = Signal(8)
        m.d.comb += [
            place.eq(Mux(puts, write_at, read_at)),
            self.store.address.eq(place[1:]),
            self.store.write.eq(Mux(puts, Mux(place[0], 0b10, 0b01), 0)),
            self.store.data_w.eq(Mux(second, accumulator[8:], accumulator[:8]).replicate(2)),
            fetched.eq(Mux(latched, self.store.data_r[8:], self.store.data_r[:8])),
        ]
        two_bytes = function.matches(Access.GET_16, Access.GET_CODE, Access.PUT_16)
        code = Cat(low, fetched)

        # Sequence
        next_pc, taken = Signal.like(pc), Signal()
        m.d.comb += [
            fetch.addr.eq(pc),
            registers.address_r.eq(argument),
            registers.address_w.eq(argument),
            registers.data_w.eq(accumulator),
            next_pc.eq(pc + 1),
        ]
        with m.If(op == Op.SPECIAL):
            m.d.comb += registers.address_r.eq(Mux(is_return, STACK + depth - 1, accumulator[:8]))
        with m.Switch(op):
            with m.Case(Op.JUMP, Op.CALL):
                m.d.comb += taken.eq(1)
            with m.Case(Op.JUMP_Z):
                m.d.comb += taken.eq(zero)
            with m.Case(Op.JUMP_NZ):
                m.d.comb += taken.eq(~zero)
            with m.Case(Op.JUMP_C):
                m.d.comb += taken.eq(carry)
            with m.Case(Op.JUMP_NC):
                m.d.comb += taken.eq(~carry)
            with m.Case(Op.JUMP_N):
                m.d.comb += taken.eq(negative)

        def go_on():
            """The next instruction is read in this cycle."""
            m.d.comb += fetch.addr.eq(next_pc)
            m.d.sync += pc.eq(next_pc)
            m.next = "READ"

        with m.FSM():
            with m.State("START"):  # the first instruction is read
                m.next = "READ"
            with m.State("READ"):  # the instruction is there; its operand is read, or the first byte moved
                with m.If(op != Op.MEMORY):
                    m.next = "EXECUTE"
                with m.Else():
                    m.d.comb += self.store.valid.eq(1)
                    with m.If(self.store.ready):
                        m.d.sync += latched.eq(place[0])
                        m.next = "BYTE"
            with m.State("BYTE"):
                last = second | ~two_bytes
                step = Signal(2)
                m.d.comb += step.eq(1)
                with m.If(function == Access.GET_CODE):
                    m.d.comb += step.eq(Mux(second, odd_code, 1))
                m.d.sync += [low.eq(fetched), second.eq(~last)]
                with m.If(puts):
                    m.d.sync += write_at.eq(write_at + 1)
                with m.Else():
                    m.d.sync += read_at.eq(read_at + step)
                with m.If(~last):
                    m.next = "SECOND"
                with m.Else():
                    with m.Switch(function):
                        with m.Case(Access.GET_8):
                            m.d.sync += accumulator.eq(fetched)
                        with m.Case(Access.GET_16):
                            m.d.sync += accumulator.eq(code)
                        with m.Case(Access.GET_CODE):
                            chosen = Mux(odd_code, code[4:], code[:12])
                            m.d.sync += [
                                accumulator.eq(Cat(chosen, chosen[11].replicate(4))),
                                negative.eq(chosen[11]),
                                odd_code.eq(~odd_code),
                            ]
                    go_on()
            with m.State("SECOND"):
                m.d.comb += self.store.valid.eq(1)
                with m.If(self.store.ready):
                    m.d.sync += latched.eq(place[0])
                    m.next = "BYTE"
            with m.State("EXECUTE"):
                with m.If(taken):
                    m.d.comb += next_pc.eq(target)
                go_on()
                with m.Switch(op):
                    with m.Case(Op.ALU_R, Op.ALU_I):
                        with m.If(~function.matches(Alu.COMPARE, Alu.COMPARE_C)):
                            m.d.sync += accumulator.eq(result)
                        with m.If(~function.matches(Alu.MOVE, Alu.HIGH)):
                            m.d.sync += [zero.eq(result == 0), negative.eq(result[15])]
                        with m.Switch(function):
                            with m.Case(Alu.SHIFT_RIGHT):
                                m.d.sync += carry.eq(accumulator[0])
                            with m.Case(Alu.ADD, Alu.ADD_C):
                                m.d.sync += carry.eq(sum_[16])
                            with m.Case(Alu.SUBTRACT, Alu.SUBTRACT_C, Alu.COMPARE, Alu.COMPARE_C):
                                m.d.sync += carry.eq(~sum_[16])
                    with m.Case(Op.STORE):
                        m.d.comb += registers.write.eq(1)
                    with m.Case(Op.LOAD):
                        m.d.sync += accumulator.eq(target)
                    with m.Case(Op.IN):
                        m.d.comb += self._reads.eq(1)
                        m.d.sync += accumulator.eq(port_in)
                        if self._emulated:  # a byte is taken when it is read
                            m.d.comb += self.from_fabric.ready.eq(argument == InPort.EMULATION)
                    with m.Case(Op.OUT):
                        m.d.comb += port_write.eq(1)
                        with m.If(argument == OutPort.READ_AT):
                            m.d.sync += [read_at.eq(accumulator), odd_code.eq(0)]
                        with m.If(argument == OutPort.WRITE_AT):
                            m.d.sync += write_at.eq(accumulator)
                        with m.If(argument == OutPort.FINISH):  # a refusal may come from any depth
                            m.d.sync += depth.eq(0)
                    with m.Case(Op.CALL):
                        m.d.comb += [
                            registers.write.eq(1),
                            registers.address_w.eq(STACK + depth),
                            registers.data_w.eq(pc + 1),
                        ]
                        m.d.sync += depth.eq(depth + 1)
                    with m.Case(Op.SPECIAL), m.Switch(function):
                        with m.Case(Special.RETURN):
                            m.d.comb += next_pc.eq(registers.data_r)
                            m.d.sync += depth.eq(depth - 1)
                        with m.Case(Special.INDEXED):
                            m.d.sync += accumulator.eq(registers.data_r)
                        with m.Case(Special.TABLE):
                            m.d.comb += fetch.addr.eq(accumulator)
                            m.d.sync += pc.eq(pc)
                            m.next = "TABLE"
            with m.State("TABLE"):
                m.d.sync += accumulator.eq(fetch.data)
                go_on()
        return m

    def _inputs(self, m, argument, write_at, value):
        """Ports that are read: `value` of the one that `argument` names. Reading a counter clears it."""
        spec, requests = self._spec, self.requests
        places = MemoryMap(spec)
        m.submodules.crc = self._crc = Crc32()
        busy = Signal()
        saturated = Signal(16)
        with m.If(self.engine.job.valid):
            m.d.sync += busy.eq(1)
        with m.If(self.engine.done):
            m.d.sync += [busy.eq(0), saturated.eq(self.engine.saturated)]
        state = {
            State.CAUSE: self.safety.cause,
            State.ARMED: self.safety.armed,
            State.BUSY: busy | self.engine.job.valid,
            State.REQUEST: requests.valid,
        }
        slot_bits = places.slot_bytes.bit_length() - 1
        with m.Switch(argument):
            with m.Case(InPort.TYPE):
                m.d.comb += value.eq(requests.type)
            with m.Case(InPort.LENGTH):
                m.d.comb += value.eq(requests.length)
            with m.Case(InPort.PAYLOAD):
                m.d.comb += value.eq(requests.slot << slot_bits)
            with m.Case(InPort.ANSWER):
                m.d.comb += value.eq((requests.answer_slot << slot_bits) | places.answer(0))
            with m.Case(InPort.STATE):
                m.d.comb += value.eq(Cat(*(bits for _, bits in sorted(state.items()))))
            with m.Case(InPort.SATURATED):
                m.d.comb += value.eq(saturated)
            with m.Case(InPort.WRITTEN):
                m.d.comb += value.eq(write_at)
            with m.Case(InPort.CRC_LOW):
                m.d.comb += value.eq(self._crc.value[:16])
            with m.Case(InPort.CRC_HIGH):
                m.d.comb += value.eq(self._crc.value[16:])
            if self._emulated:
                with m.Case(InPort.EMULATION):
                    m.d.comb += value.eq(Cat(self.from_fabric.payload, ~self.from_fabric.valid))
            for index, name in enumerate(COUNTERS):
                strobe = (
                    getattr(self, f"count_{name}")
                    if hasattr(self, f"count_{name}")
                    else getattr(self.engine, f"count_{name.removesuffix('s')}")
                )
                count = Signal(COUNT_BITS, name=f"new_{name}")
                m.d.sync += count.eq(count + strobe)
                with m.Case(InPort.COUNTERS + index):
                    m.d.comb += value.eq(count)
                    with m.If(self._reads):
                        m.d.sync += count.eq(strobe)

    def _outputs(self, m, argument, value, write):
        """Ports that are written with `value`."""
        spec, job = self._spec, self.engine.job.payload
        fields = {
            OutPort.TILE: job.tile,
            OutPort.ROW: job.row,
            OutPort.COLUMN: job.column,
            OutPort.ROWS: job.rows,
            OutPort.SAMPLES: job.samples,
            OutPort.TIA_RANGE: job.tia_range,
            OutPort.ROUTED: job.routed,
            OutPort.COUNT: job.count,
            OutPort.INPUTS: job.inputs,
            OutPort.OUTPUTS: job.outputs,
            OutPort.STEPS: job.steps,
            OutPort.RESET: job.reset,
            OutPort.RAIL: job.rail,
            OutPort.GATE: job.gate,
            OutPort.WIDTH_LOW: job.width_ns[:16],
            OutPort.WIDTH_HIGH: job.width_ns[16:],
            OutPort.DATA: job.data,
            OutPort.ANSWER: job.answer,
        }
        strobes = {
            SafetyStrobe.TRIP: self.safety.trip,
            SafetyStrobe.CLEAR: self.safety.clear,
            SafetyStrobe.ARM: self.safety.arm,
            SafetyStrobe.DISARM: self.safety.disarm,
            SafetyStrobe.FORM_BEGIN: self.safety.form_begin,
            SafetyStrobe.FORM_END: self.safety.form_end,
        }
        length = Signal.like(self.requests.answer_length)
        m.d.comb += [self.requests.answer_type.eq(value), self.requests.answer_length.eq(length)]
        with m.If(self.engine.job.ready):
            m.d.sync += self.engine.job.valid.eq(0)
        with m.If(write), m.Switch(argument):
            with m.Case(OutPort.LENGTH):
                m.d.sync += length.eq(value)
            with m.Case(OutPort.FINISH):
                m.d.comb += self.requests.done.eq(1)
            with m.Case(OutPort.SAFETY):
                m.d.comb += [strobe.eq((value & bit) != 0) for bit, strobe in strobes.items()]
            with m.Case(OutPort.CRC):
                m.d.comb += [self._crc.start.eq(value[8]), self._crc.write.eq(~value[8])]
            with m.Case(OutPort.ROUTE):
                m.d.sync += self.route.stages.eq(value)
            with m.Case(OutPort.START):
                m.d.sync += [job.kind.eq(value), self.engine.job.valid.eq(1)]
            for port, field in fields.items():
                with m.Case(port):
                    m.d.sync += field.eq(value)
            if self._emulated:
                with m.Case(OutPort.EMULATION):
                    m.d.comb += self.to_fabric.valid.eq(1)
        stage = data.View(stage_layout(spec), value[: stage_layout(spec).size])
        for number in range(spec.tiles):
            with m.If(write & (argument == OutPort.STAGE) & (value[12:] == number)):
                m.d.sync += self.route.stage[number].eq(stage)
        m.d.comb += self._crc.byte.eq(value[:8])
        if self._emulated:
            m.d.comb += self.to_fabric.payload.eq(value[:8])
