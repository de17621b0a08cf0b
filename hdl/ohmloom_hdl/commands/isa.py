"""Instruction set and assembler of the command processor.

A 16-bit accumulator `A`, 256 registers of 16 bits in block RAM, flags Z (zero), C (carry; after a subtraction: borrow) and
N (bit 15), two byte pointers into the store: P reads, Q writes. An instruction has 16 bits: operation (15:12), and either
function (11:8) and register or argument (7:0), or an immediate or target (11:0). Most that bring a value to A also put it into a
register; who does not want that names NOWHERE.
"""

from collections.abc import Iterable
from enum import IntEnum


class Op(IntEnum):
    ALU_R = 0  # A = A <function> register
    ALU_I = 1  # A = A <function> argument
    ALU_W = 2  # register = A = A <function> register
    LOAD = 3  # A = immediate
    SET = 4  # register = A = function
    IN = 5  # register = A = port <function>
    OUT = 6  # port <function> = A
    OUT_R = 7  # port <function> = A = register
    MEMORY = 8  # one item through P or Q; what is got goes to A and a register
    JUMP = 9
    JUMP_Z = 10  # with function bit 3: if not zero
    JUMP_C = 11  # likewise
    JUMP_N = 12
    CALL = 13
    SPECIAL = 14


UNLESS = 8  # function of a conditional jump: the condition has to be false


class Alu(IntEnum):
    """All but MOVE and KEEP set Z and N; the sums also C, SHIFT_RIGHT puts bit 0 there. COMPARE and COMPARE_C keep A.

    Bit 3: a sum; then bit 0: with C, bit 1: a difference, bit 2: A stays.
    """

    MOVE = 0
    AND = 1
    OR = 2
    XOR = 3
    TEST = 4  # MOVE that sets Z and N
    SHIFT_RIGHT = 5  # of A, by one; C comes in if the argument is 1, else a 0
    KEEP = 7  # A; for ALU_W
    ADD = 8
    ADD_C = 9
    SUBTRACT = 10
    SUBTRACT_C = 11
    COMPARE = 14
    COMPARE_C = 15


COMMUTATIVE = (Alu.ADD, Alu.ADD_C, Alu.AND, Alu.OR, Alu.XOR)


class Access(IntEnum):
    """CODE takes one packed 12-bit code, sign-extended (`ohmloom.spec.layout`), and sets N; a write of P starts with an even one."""

    GET_8 = 0
    GET_16 = 1
    GET_CODE = 2
    PUT_8 = 4
    PUT_16 = 5


class Special(IntEnum):
    RETURN = 0  # argument: STACK
    INDEXED = 1  # A = register whose number is in A
    TABLE = 2  # A = word of the program memory at A


STACK = 248  # first of the registers that hold return addresses
STACK_DEPTH = 8
NOWHERE = "nowhere"  # register
WORDS_MAX = 1 << 11


class Program:
    """Microcode under construction: instructions, labels, named registers and constants.

    Names of registers are given where they are first used; `constant` puts a number into a register that nobody writes. What
    one instruction does instead of two or three is found here (`store`, `load`, `or_`, `output`), between two labels.
    """

    def __init__(self) -> None:
        self._code: list[tuple[Op, int, int | str]] = []
        self._labels: dict[str, int] = {}
        self._registers: dict[str, int] = {}
        self._initial: dict[int, int] = {}
        self._constants: dict[int, str] = {}
        self._words: list[tuple[str, list[int]]] = []
        self._serial = 0
        self._straight = 0  # no label stands behind this place
        self.register(NOWHERE)

    # Names

    def register(self, name: str, initial: int = 0) -> int:
        if name not in self._registers:
            number = len(self._registers)
            if number >= STACK:
                raise ValueError("the command processor's registers are used up")
            self._registers[name] = number
        if initial:
            self._initial[self._registers[name]] = initial & 0xFFFF
        return self._registers[name]

    def constant(self, value: int) -> str:
        """The name of a register that holds `value`, 16 bits."""
        value &= 0xFFFF
        name = self._constants.setdefault(value, f"constant {value:#06x}")
        self.register(name, value)
        return name

    def label(self, name: str) -> None:
        if name in self._labels:
            raise ValueError(f"label {name!r} stands twice")
        self._labels[name] = self._straight = len(self._code)

    def fresh(self, stem: str = "local") -> str:
        """A label that no other has."""
        self._serial += 1
        return f"{stem} {self._serial}"

    def table(self, name: str, words: Iterable[int]) -> None:
        """Words in the program memory behind the code; `load_label` gives the place of the first."""
        self._words.append((name, [word & 0xFFFF for word in words]))

    # Instructions

    def alu(self, function: Alu, operand: int | str) -> None:
        """With a register by its name, or a number, which is an immediate up to 255 and a constant beyond."""
        if isinstance(operand, int) and not 0 <= operand <= 255:
            operand = self.constant(operand)
        if isinstance(operand, int):
            self._emit(Op.ALU_I, function, int(operand))
        else:
            self._emit(Op.ALU_R, function, self.register(operand))

    def load(self, value: int | str) -> None:
        """A = register or number; flags stay."""
        if isinstance(value, int) and 0 <= value < 1 << 12:
            self._emit(Op.LOAD, 0, int(value))
        elif not isinstance(value, str) or self.register(value) not in self._held():
            self.alu(Alu.MOVE, value)

    def add(self, operand: int | str) -> None:
        self.alu(Alu.ADD, operand)

    def add_c(self, operand: int | str) -> None:
        self.alu(Alu.ADD_C, operand)

    def subtract(self, operand: int | str) -> None:
        self.alu(Alu.SUBTRACT, operand)

    def subtract_c(self, operand: int | str) -> None:
        self.alu(Alu.SUBTRACT_C, operand)

    def and_(self, operand: int | str) -> None:
        self.alu(Alu.AND, operand)

    def or_(self, operand: int | str) -> None:
        last = self._last()
        if operand == 0 and last is not None and last[:2] == (Op.ALU_R, Alu.MOVE):
            self._code[-1] = (Op.ALU_R, Alu.TEST, last[2])
        else:
            self.alu(Alu.OR, operand)

    def xor(self, operand: int | str) -> None:
        self.alu(Alu.XOR, operand)

    def compare(self, operand: int | str) -> None:
        self.alu(Alu.COMPARE, operand)

    def compare_c(self, operand: int | str) -> None:
        self.alu(Alu.COMPARE_C, operand)

    def shift_right(self, carry: bool = False) -> None:
        """carry: what comes in is C."""
        self._emit(Op.ALU_I, Alu.SHIFT_RIGHT, int(carry))

    def store(self, name: str) -> None:
        """register = A"""
        register = self.register(name)
        match self._code[self._straight :]:
            case [*_, (Op.LOAD, 0, int(value))] if value < 16:
                self._code[-1] = (Op.SET, value, register)
            case [*_, (Op.IN | Op.MEMORY as op, function, nowhere)] if nowhere == self.register(NOWHERE) and not (
                op is Op.MEMORY and function & Access.PUT_8
            ):
                self._code[-1] = (op, function, register)
            case [*_, (Op.ALU_R, function, operand)] if operand == register and function in (
                *COMMUTATIVE,
                Alu.SUBTRACT,
                Alu.SUBTRACT_C,
            ):
                self._code[-1] = (Op.ALU_W, function, register)
            case [*_, (Op.ALU_R, Alu.MOVE, moved), (Op.ALU_R, function, operand)] if (
                moved == register and function in COMMUTATIVE
            ):
                self._code[-2:] = [(Op.ALU_R, Alu.MOVE, operand), (Op.ALU_W, function, register)]
            case [*_, (Op.ALU_R, Alu.MOVE, moved), (Op.ALU_I, function, operand)] if (
                moved == register and function in COMMUTATIVE
            ):
                self._code[-2:] = [(Op.LOAD, 0, operand), (Op.ALU_W, function, register)]
            case _:
                self._emit(Op.ALU_W, Alu.KEEP, register)

    def copy(self, target: str, source: int | str) -> None:
        self.load(source)
        self.store(target)

    def carry(self, name: str) -> None:
        """register = C"""
        self.load(0)
        self.add_c(0)
        self.store(name)

    def input(self, port: int) -> None:
        self._emit(Op.IN, port, self.register(NOWHERE))

    def output(self, port: int, value: int | str | None = None) -> None:
        if value is not None:
            self.load(value)
        last = self._last()
        if last is not None and last[:2] == (Op.ALU_R, Alu.MOVE):
            self._code[-1] = (Op.OUT_R, port, last[2])
        else:
            self._emit(Op.OUT, port, 0)

    def get_8(self) -> None:
        self._emit(Op.MEMORY, Access.GET_8, self.register(NOWHERE))

    def get_16(self) -> None:
        self._emit(Op.MEMORY, Access.GET_16, self.register(NOWHERE))

    def get_code(self) -> None:
        self._emit(Op.MEMORY, Access.GET_CODE, self.register(NOWHERE))

    def put_8(self, value: int | str | None = None) -> None:
        if value is not None:
            self.load(value)
        self._emit(Op.MEMORY, Access.PUT_8, 0)

    def put_16(self, value: int | str | None = None) -> None:
        if value is not None:
            self.load(value)
        self._emit(Op.MEMORY, Access.PUT_16, 0)

    def jump(self, label: str, op: Op = Op.JUMP, unless: bool = False) -> None:
        self._code.append((op, UNLESS * unless, label))

    def jump_z(self, label: str) -> None:
        self.jump(label, Op.JUMP_Z)

    def jump_nz(self, label: str) -> None:
        self.jump(label, Op.JUMP_Z, unless=True)

    def jump_c(self, label: str) -> None:
        self.jump(label, Op.JUMP_C)

    def jump_nc(self, label: str) -> None:
        self.jump(label, Op.JUMP_C, unless=True)

    def jump_n(self, label: str) -> None:
        self.jump(label, Op.JUMP_N)

    def jump_nn(self, label: str) -> None:
        self.jump(label, Op.JUMP_N, unless=True)

    def call(self, label: str) -> None:
        self.jump(label, Op.CALL)

    def return_(self) -> None:
        self._emit(Op.SPECIAL, Special.RETURN, STACK)

    def indexed(self) -> None:
        """A = register whose number is in A; flags stay."""
        self._emit(Op.SPECIAL, Special.INDEXED, 0)

    def look_up(self) -> None:
        """A = program memory at A; flags stay."""
        self._emit(Op.SPECIAL, Special.TABLE, 0)

    def load_label(self, name: str) -> None:
        """A = place of a label or table in the program memory."""
        self._code.append((Op.LOAD, 0, name))

    def _emit(self, op: Op, function: int, argument: int) -> None:
        self._code.append((op, function, argument))

    def _last(self) -> tuple[Op, int, int | str] | None:
        """The instruction before, if no label stands between."""
        return self._code[-1] if len(self._code) > self._straight else None

    def _held(self) -> set[int | str]:
        """Registers that are known to have A's value."""
        held: set[int | str] = set()
        for op, function, argument in reversed(self._code[self._straight :]):
            match op:
                case Op.ALU_W if function == Alu.KEEP:
                    held.add(argument)
                case Op.ALU_R if function in (Alu.MOVE, Alu.TEST):
                    return held | {argument}
                case Op.ALU_W | Op.SET | Op.IN | Op.OUT_R:
                    return held | {argument}
                case Op.MEMORY if not function & Access.PUT_8:
                    return held | {argument}
                case Op.ALU_R | Op.ALU_I if function not in (Alu.COMPARE, Alu.COMPARE_C):
                    return held
                case Op.LOAD | Op.JUMP | Op.CALL | Op.SPECIAL:
                    return held
        return held

    # Results

    def words(self) -> list[int]:
        """The program memory's content. Raises ValueError for a label that stands nowhere, or too long a program."""
        labels = dict(self._labels)
        tail: list[int] = []
        for name, words in self._words:
            labels[name] = len(self._code) + len(tail)
            tail += words
        result = []
        for op, function, argument in self._code:
            if isinstance(argument, str):
                if argument not in labels:
                    raise ValueError(f"label {argument!r} stands nowhere")
                argument = labels[argument]
            result.append(op << 12 | function << 8 | argument)
        if len(result) + len(tail) > WORDS_MAX:
            raise ValueError(f"{len(result) + len(tail)} words of microcode; {WORDS_MAX} are the most")
        return result + tail

    def registers(self) -> list[int]:
        """Initial content of all 256 registers."""
        return [self._initial.get(number, 0) for number in range(256)]

    def number(self, name: str) -> int:
        """The number of a register that is in use. Raises KeyError for another."""
        return self._registers[name]
