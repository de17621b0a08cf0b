"""The command processor's data path: two cycles an instruction, and one for each further byte of the store."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ohmloom.spec import ChipSpec
from ohmloom.spec.commands import FORM, INFER, MVM, PROGRAM
from ohmloom.spec.memory_map import MemoryMap
from ohmloom_hdl.block_ram import BlockRam
from ohmloom_hdl.commands.isa import STACK, STACK_DEPTH, Access, Alu, Op, Special
from ohmloom_hdl.commands.microcode import microcode
from ohmloom_hdl.commands.ports import COUNTERS, InPort, OutPort, SafetyStrobe, State
from ohmloom_hdl.interfaces import SETTINGS, EnginePort, JobKind, RequestPort, SafetyControl, StorePort, index_bits

# Of events between two looks of the microcode, which come more often than drives, pulses or frames; of bad frames, which
# may come while a request is executed, more than of the others.
COUNT_BITS = 2, 3
ARRAYS = {JobKind.MVM: MVM, JobKind.INFER: INFER, JobKind.PROGRAM: PROGRAM, JobKind.FORM: FORM}


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
            **{f"count_{name}": In(1) for name in COUNTERS[:4]},
        }
        if emulated:
            ports["to_fabric"] = Out(stream.Signature(8, always_ready=True))
            ports["from_fabric"] = In(stream.Signature(8))
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        self._payload, self._answer = (Signal.like(self.engine.job.payload.data) for _ in range(2))  # of the request
        words, initial = self._program.words(), self._program.registers()
        m.submodules.program = fetch = Rom(words)
        m.submodules.registers = registers = BlockRam(shape=16, depth=256, init=initial)

        # State
        accumulator, zero, carry, negative = Signal(16), Signal(init=1), Signal(), Signal()
        pc_bits = index_bits(len(words))
        pc, depth = Signal(pc_bits, init=(1 << pc_bits) - 1), Signal(range(STACK_DEPTH))
        address_bits = len(self.store.address) + 1
        read_at, write_at = Signal(address_bits), Signal(address_bits)
        odd_code = Signal()

        instruction = Signal(16)
        m.d.comb += instruction.eq(fetch.data)
        op = Signal(Op)
        function, argument, target = instruction[8:12], instruction[:8], instruction[:11]
        m.d.comb += op.eq(instruction[12:])
        is_return = (op == Op.SPECIAL) & (function == Special.RETURN)

        # What comes to A: through `other`, and through the function for all but an ALU operation MOVE.
        other, result, sum_ = Signal(16), Signal(16), Signal(17)
        port_in, item = Signal(16), Signal(16)
        table = Signal()  # the instruction's place has a word of a table
        computes, does = Signal(), Signal(4)
        m.d.comb += [
            computes.eq(op.matches(Op.ALU_R, Op.ALU_I, Op.ALU_W) & ~table),
            does.eq(Mux(computes, function, Mux((op == Op.OUT) & ~table, Alu.KEEP, Alu.MOVE))),
        ]
        is_set, long = (op == Op.SET) & ~table, table | (op == Op.LOAD)
        immediate = Cat(
            Mux(is_set, function, argument[:4]),
            argument[4:] & ~is_set.replicate(4),
            function & long.replicate(4),
            instruction[12:] & table.replicate(4),
        )
        source = Signal(2)
        m.d.comb += [
            source[0].eq(table | op.matches(Op.ALU_I, Op.LOAD, Op.SET, Op.MEMORY)),
            source[1].eq(~table & op.matches(Op.IN, Op.MEMORY)),
            other.eq(Mux(source[1], Mux(source[0], item, port_in), Mux(source[0], immediate, registers.data_r))),
        ]
        subtract = does[1]
        # A borrow is the complement of the adder's carry. One adder: the carry comes in through a bit below.
        m.d.comb += sum_.eq(
            (Cat(1, accumulator) + Cat(subtract ^ (does[0] & carry), other ^ subtract.replicate(16)))[1:]
        )
        logic, kept = Signal(16), Signal(16)
        with m.Switch(does[:2]):
            with m.Case(Alu.MOVE):
                m.d.comb += logic.eq(other)
            with m.Case(Alu.AND):
                m.d.comb += logic.eq(accumulator & other)
            with m.Case(Alu.OR):
                m.d.comb += logic.eq(accumulator | other)
            with m.Case(Alu.XOR):
                m.d.comb += logic.eq(accumulator ^ other)
        m.d.comb += [
            kept.eq(Mux(does[1], accumulator, Cat(accumulator[1:], carry & argument[0]))),
            result.eq(Mux(does[3], sum_[:16], Mux(does[2] & does[0], kept, logic))),
        ]

        # Ports
        self._reads = Signal()
        self._inputs(m, function, port_in)
        port_write = Signal()
        self._outputs(m, function, result, accumulator, write_at, port_write)

        # Store
        place, second = Signal(address_bits), Signal()
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
        # The first of two bytes waits in A.
        both = Cat(accumulator[:8], fetched)
        with m.If(~second):
            m.d.comb += item.eq(fetched)
        with m.Elif(function == Access.GET_16):
            m.d.comb += item.eq(both)
        with m.Else():
            m.d.comb += item.eq(Mux(odd_code, both[4:], both[:12]).as_signed())
        two_bytes = function.matches(Access.GET_16, Access.GET_CODE, Access.PUT_16)

        # Sequence
        goes = Signal(2)  # to the instruction behind, the target, the return address, or what A says
        next_pc, following_pc, taken = Signal.like(pc), Signal.like(pc), Signal()
        m.d.comb += [
            fetch.addr.eq(next_pc),
            registers.address_r.eq(argument),
            registers.address_w.eq(argument),
            registers.data_w.eq(result),
            following_pc.eq(pc + 1),
            next_pc.eq(Mux(goes[1], Mux(goes[0], accumulator, registers.data_r), Mux(goes[0], target, following_pc))),
        ]
        with m.If(op == Op.SPECIAL):
            m.d.comb += registers.address_r.eq(
                Mux(is_return, Cat((depth - 1)[: len(depth)], argument[len(depth) :]), accumulator)
            )
        with m.Switch(op):
            with m.Case(Op.JUMP, Op.CALL):
                m.d.comb += taken.eq(1)
            with m.Case(Op.JUMP_Z):
                m.d.comb += taken.eq(zero ^ function[3])
            with m.Case(Op.JUMP_C):
                m.d.comb += taken.eq(carry ^ function[3])
            with m.Case(Op.JUMP_N):
                m.d.comb += taken.eq(negative ^ function[3])

        def go_on():
            """The next instruction is read in this cycle."""
            m.d.comb += fetch.go.eq(1)
            m.d.sync += pc.eq(next_pc)
            m.next = "READ"

        with m.FSM():
            with m.State("START"):  # to the instruction behind the last, which is the first
                go_on()
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
                # The second byte of an even code is the first of the next.
                following = place + ~((function == Access.GET_CODE) & second & ~odd_code)
                m.d.sync += second.eq(~last)
                with m.If(puts):
                    m.d.sync += write_at.eq(following)
                with m.Else():
                    m.d.sync += [read_at.eq(following), accumulator.eq(result)]
                with m.If(~last):
                    m.next = "SECOND"
                with m.Else():
                    m.d.comb += registers.write.eq(~puts)
                    with m.If(function == Access.GET_CODE):
                        m.d.sync += [negative.eq(result[15]), odd_code.eq(~odd_code)]
                    go_on()
            with m.State("SECOND"):
                m.d.comb += self.store.valid.eq(1)
                with m.If(self.store.ready):
                    m.d.sync += latched.eq(place[0])
                    m.next = "BYTE"
            with m.State("EXECUTE"):
                m.d.comb += goes[0].eq(taken)
                with m.If(op != Op.SPECIAL):
                    go_on()
                with m.Switch(op):
                    with m.Case(Op.ALU_R, Op.ALU_I, Op.ALU_W):
                        with m.If(~(does[3] & does[2])):
                            m.d.sync += accumulator.eq(result)
                        with m.If(~does.matches(Alu.MOVE, Alu.KEEP)):
                            m.d.sync += [zero.eq(result == 0), negative.eq(result[15])]
                        with m.If(does[3]):
                            m.d.sync += carry.eq(sum_[16] ^ subtract)
                        with m.If(does == Alu.SHIFT_RIGHT):
                            m.d.sync += carry.eq(accumulator[0])
                        m.d.comb += registers.write.eq(op == Op.ALU_W)
                    with m.Case(Op.LOAD):
                        m.d.sync += accumulator.eq(result)
                    with m.Case(Op.SET):
                        m.d.comb += registers.write.eq(1)
                        m.d.sync += accumulator.eq(result)
                    with m.Case(Op.IN):
                        m.d.comb += [self._reads.eq(1), registers.write.eq(1)]
                        m.d.sync += accumulator.eq(result)
                        if self._emulated:  # a byte is taken when it is read
                            m.d.comb += self.from_fabric.ready.eq(function == InPort.EMULATION)
                    with m.Case(Op.OUT, Op.OUT_R):
                        m.d.comb += port_write.eq(1)
                        m.d.sync += accumulator.eq(result)
                        with m.If(function == OutPort.READ_AT):
                            m.d.sync += [read_at.eq(result), odd_code.eq(0)]
                        with m.If(function == OutPort.WRITE_AT):
                            m.d.sync += write_at.eq(result)
                        with m.If(function == OutPort.FINISH):  # a refusal may come from any depth
                            m.d.sync += depth.eq(0)
                    with m.Case(Op.CALL):
                        m.d.comb += [
                            registers.write.eq(1),
                            registers.address_w.eq(STACK + depth),
                            registers.data_w.eq(following_pc),
                        ]
                        m.d.sync += depth.eq(depth + 1)
                    with m.Case(Op.SPECIAL), m.Switch(function):
                        with m.Case(Special.RETURN):
                            go_on()
                            m.d.comb += goes.eq(0b10)
                            m.d.sync += depth.eq(depth - 1)
                        with m.Case(Special.INDEXED):
                            go_on()
                            m.d.sync += accumulator.eq(result)
                        with m.Case(Special.TABLE):
                            m.d.comb += [goes.eq(0b11), fetch.go.eq(1)]
                            m.next = "TABLE"
            with m.State("TABLE"):
                m.d.comb += table.eq(1)
                m.d.sync += accumulator.eq(result)
                go_on()
        return m

    def _inputs(self, m, port, value):
        """Ports that are read: `value` of the one that `port` names. Reading a counter clears it."""
        spec, requests = self._spec, self.requests
        places = MemoryMap(spec)
        busy = Signal()
        with m.If(self.engine.job.valid):
            m.d.sync += busy.eq(1)
        with m.If(self.engine.done):
            m.d.sync += busy.eq(0)
        state = {
            State.CAUSE: self.safety.cause,
            State.ARMED: self.safety.armed,
            State.BUSY: busy | self.engine.job.valid,
            State.REQUEST: requests.valid,
        }
        slot_bits = places.slot_bytes.bit_length() - 1
        m.d.comb += [
            self._payload.eq(requests.slot << slot_bits),
            self._answer.eq(
                places.answer(0)
                | (requests.answer_slot << slot_bits)
                | (requests.upper << slot_bits - 1)
                | (requests.head << 1)
            ),
        ]
        with m.Switch(port):
            with m.Case(InPort.TYPE):
                m.d.comb += value.eq(requests.type)
            with m.Case(InPort.LENGTH):
                m.d.comb += value.eq(requests.length)
            with m.Case(InPort.PAYLOAD):
                m.d.comb += value.eq(self._payload)
            with m.Case(InPort.ANSWER):
                m.d.comb += value.eq(self._answer)
            with m.Case(InPort.STATE):
                m.d.comb += value.eq(Cat(*(bits for _, bits in sorted(state.items()))))
            if self._emulated:
                with m.Case(InPort.EMULATION):
                    m.d.comb += value.eq(Cat(self.from_fabric.payload, ~self.from_fabric.valid))
            for index, name in enumerate(COUNTERS):
                strobe = (
                    getattr(self, f"count_{name}")
                    if hasattr(self, f"count_{name}")
                    else getattr(self.engine, f"count_{name.removesuffix('s')}")
                )
                count = Signal(COUNT_BITS[name == "frames_bad"], name=f"new_{name}")
                m.d.sync += count.eq(count + strobe)
                with m.Case(InPort.COUNTERS + index):
                    m.d.comb += value.eq(count)
                    with m.If(self._reads):
                        m.d.sync += count.eq(strobe)

    def _outputs(self, m, port, value, accumulator, write_at, write):
        """Ports that are written with `value`."""
        spec, job, requests = self._spec, self.engine.job.payload, self.requests
        # A register for each port: its fields belong to different kinds of jobs.
        fields = {
            OutPort.TILE: [job.tile],
            OutPort.ROW: [job.row],
            OutPort.COUNT: [job.count],
            OutPort.ROWS: [job.rows],
            OutPort.INPUTS: [job.inputs],
            OutPort.OUTPUTS: [job.outputs],
            OutPort.COLUMN: [job.column, job.steps, job.samples, job.tia_range],
            OutPort.RESET: [job.reset, job.routed],
        }
        for number, sharing in fields.items():
            register = Signal(max(len(field) for field in sharing), name=f"job_{number.name.lower()}")
            m.d.comb += [field.eq(register) for field in sharing]
            with m.If(write & (port == number)):
                m.d.sync += register.eq(value)
        # In the cycle behind, when A has the value: what makes it takes most of a cycle.
        m.d.comb += self.engine.word.eq(accumulator)
        for name in SETTINGS.members:
            m.d.sync += self.engine.sets[name].eq(write & (port == OutPort[name.upper()]))
        header = Signal(range(16))
        with m.Switch(job.kind):
            for kind, command in ARRAYS.items():
                with m.Case(kind):
                    m.d.comb += header.eq(command.request.header_bytes)
        # How far the answer has been written, from the start of its slot on.
        whole = MemoryMap(spec).slot_bytes.bit_length() - 1
        length = Cat(write_at[:whole], (write_at ^ self._answer)[whole])
        m.d.comb += [
            job.data.eq(self._payload | header),
            job.answer.eq(self._answer),
            requests.answer_type.eq(value),
            requests.answer_length.eq(length),
        ]
        strobes = {
            SafetyStrobe.TRIP: self.safety.trip,
            SafetyStrobe.CLEAR: self.safety.clear,
            SafetyStrobe.ARM: self.safety.arm,
            SafetyStrobe.DISARM: self.safety.disarm,
            SafetyStrobe.FORM_BEGIN: self.safety.form_begin,
            SafetyStrobe.FORM_END: self.safety.form_end,
        }
        with m.If(self.engine.job.ready):
            m.d.sync += self.engine.job.valid.eq(0)
        with m.If(write), m.Switch(port):
            with m.Case(OutPort.FINISH):
                m.d.comb += requests.done.eq(1)
            with m.Case(OutPort.SAFETY):
                m.d.comb += [strobe.eq((value & bit) != 0) for bit, strobe in strobes.items()]
            with m.Case(OutPort.START):
                m.d.sync += [job.kind.eq(value), self.engine.job.valid.eq(1)]
            if self._emulated:
                with m.Case(OutPort.EMULATION):
                    m.d.comb += self.to_fabric.valid.eq(1)
        if self._emulated:
            m.d.comb += self.to_fabric.payload.eq(value[:8])


class Rom(wiring.Component):
    """Words: `data` is, from the cycle after one with `go` on, that at `addr`.

    In pieces that fill block RAM of an iCE40: 1024 words take four, 512 two, 256 one.
    """

    def __init__(self, words: list[int]) -> None:
        self._words = words
        super().__init__({"addr": In(index_bits(len(words))), "go": In(1), "data": Out(16)})

    def elaborate(self, platform):
        m = Module()
        rest, start, parts = list(self._words), 0, []
        while rest:
            depth = next(depth for depth in (1024, 512, 256) if len(rest) > depth - 256 or depth == 256)
            here, rest = rest[:depth], rest[depth:]
            m.submodules[f"part{len(parts)}"] = part = memory.Memory(
                shape=16, depth=depth, init=here, attrs={"rom_style": "block"}
            )
            port = part.read_port()
            m.d.comb += [port.addr.eq(self.addr), port.en.eq(self.go)]
            start += depth
            parts.append((start, port.data))
        above = Signal(len(parts) - 1)
        with m.If(self.go):
            m.d.sync += [above[index].eq(self.addr >= end) for index, (end, _) in enumerate(parts[:-1])]
        value = parts[0][1]
        for index, (_, data_) in enumerate(parts[1:]):
            value = Mux(above[index], data_, value)
        m.d.comb += self.data.eq(value)
        return m
