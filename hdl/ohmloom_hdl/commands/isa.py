"""Instruction set and assembler of the command processor.

A 16-bit accumulator `A`, 256 registers of 16 bits in block RAM, flags Z (zero), C (carry; after a subtraction: borrow) and
N (bit 15), two byte pointers into the store: P reads, Q writes. An instruction has 16 bits: operation (15:12), and either
function (11:8) and argument (7:0), or an immediate or target (11:0).
"""

from collections.abc import Iterable
from enum import IntEnum


class Op(IntEnum):
    ALU_R = 0  # A = A <function> register
    ALU_I = 1  # A = A <function> argument
    STORE = 2  # register = A
    LOAD = 3  # A = immediate
    IN = 4  # A = port
    OUT = 5  # port = A
    MEMORY = 6  # one item through P or Q
    JUMP = 7
    JUMP_Z = 8
    JUMP_NZ = 9
    JUMP_C = 10
    JUMP_NC = 11
    JUMP_N = 12
    CALL = 13
    SPECIAL = 14


class Alu(IntEnum):
    """All but MOVE and HIGH set Z and N; the sums also C, SHIFT_RIGHT puts bit 0 there. COMPARE and COMPARE_C keep A."""

    MOVE = 0
    ADD = 1
    ADD_C = 2
    SUBTRACT = 3
    SUBTRACT_C = 4
    AND = 5
    OR = 6
    XOR = 7
    COMPARE = 8
    COMPARE_C = 9
    SHIFT_RIGHT = 10  # of A, by one, a 0 coming in
    HIGH = 11  # A's upper byte = argument


class Access(IntEnum):
    """CODE takes one packed 12-bit code, sign-extended (`ohmloom.spec.layout`), and sets N; a write of P starts with an even one."""

    GET_8 = 0
    GET_16 = 1
    GET_CODE = 2
    PUT_8 = 4
    PUT_16 = 5


class Special(IntEnum):
    RETURN = 0
    INDEXED = 1  # A = register whose number is in A
    TABLE = 2  # A = word of the program memory at A


STACK = 248  # first of the registers that hold return addresses
STACK_DEPTH = 8


class Program:
    """Microcode under construction: instructions, labels, named registers and constants.

    Names of registers are given where they are first used; `constant` puts a number into a register that nobody writes.
    """

    def __init__(self) -> None:
        self._code: list[tuple[Op, int, int | str]] = []
        self._labels: dict[str, int] = {}
        self._registers: dict[str, int] = {}
        self._initial: dict[int, int] = {}
        self._constants: dict[int, str] = {}
        self._words: list[tuple[str, list[int]]] = []
        self._serial = 0

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
        self._labels[name] = len(self._code)

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
        else:
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
        self.alu(Alu.OR, operand)

    def xor(self, operand: int | str) -> None:
        self.alu(Alu.XOR, operand)

    def compare(self, operand: int | str) -> None:
        self.alu(Alu.COMPARE, operand)

    def compare_c(self, operand: int | str) -> None:
        self.alu(Alu.COMPARE_C, operand)

    def shift_right(self) -> None:
        self.alu(Alu.SHIFT_RIGHT, 0)

    def store(self, name: str) -> None:
        self._emit(Op.STORE, 0, self.register(name))

    def copy(self, target: str, source: int | str) -> None:
        self.load(source)
        self.store(target)

    def carry(self, name: str) -> None:
        """register = C"""
        self.load(0)
        self.add_c(0)
        self.store(name)

    def input(self, port: int) -> None:
        self._emit(Op.IN, 0, port)

    def output(self, port: int, value: int | str | None = None) -> None:
        if value is not None:
            self.load(value)
        self._emit(Op.OUT, 0, port)

    def get_8(self) -> None:
        self._emit(Op.MEMORY, Access.GET_8, 0)

    def get_16(self) -> None:
        self._emit(Op.MEMORY, Access.GET_16, 0)

    def get_code(self) -> None:
        self._emit(Op.MEMORY, Access.GET_CODE, 0)

    def put_8(self, value: int | str | None = None) -> None:
        if value is not None:
            self.load(value)
        self._emit(Op.MEMORY, Access.PUT_8, 0)

    def put_16(self, value: int | str | None = None) -> None:
        if value is not None:
            self.load(value)
        self._emit(Op.MEMORY, Access.PUT_16, 0)

    def jump(self, label: str, op: Op = Op.JUMP) -> None:
        self._code.append((op, 0, label))

    def jump_z(self, label: str) -> None:
        self.jump(label, Op.JUMP_Z)

    def jump_nz(self, label: str) -> None:
        self.jump(label, Op.JUMP_NZ)

    def jump_c(self, label: str) -> None:
        self.jump(label, Op.JUMP_C)

    def jump_nc(self, label: str) -> None:
        self.jump(label, Op.JUMP_NC)

    def jump_n(self, label: str) -> None:
        self.jump(label, Op.JUMP_N)

    def call(self, label: str) -> None:
        self.jump(label, Op.CALL)

    def return_(self) -> None:
        self._emit(Op.SPECIAL, Special.RETURN, 0)

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
                field = labels[argument]
            else:
                field = argument if op is Op.LOAD else function << 8 | argument
            result.append(op << 12 | field)
        if len(result) + len(tail) > 1 << 12:
            raise ValueError(f"{len(result) + len(tail)} words of microcode; 4096 are the most")
        return result + tail

    def registers(self) -> list[int]:
        """Initial content of all 256 registers."""
        return [self._initial.get(number, 0) for number in range(256)]

    def number(self, name: str) -> int:
        """The number of a register that is in use. Raises KeyError for another."""
        return self._registers[name]
