"""The program of the write-verify engine, `ohmloom.spec.policy` step by step; `cell_steps.py` says what a step can do."""

from typing import Any

from ohmloom.spec.commands import CellStatus
from ohmloom_hdl.engines import cell_memory as memory
from ohmloom_hdl.engines.cell_memory import Base, CellWord, Flag, Own
from ohmloom_hdl.engines.cell_steps import (
    NOWHERE,
    Access,
    Action,
    Cell,
    Condition,
    Control,
    Operand,
    Program,
    Second,
    Write,
)
from ohmloom_hdl.interfaces import CODE

RUNNING, PULSED = (1 << flag - CODE for flag in (Flag.RUNNING, Flag.PULSED))
LOWER_BYTE, UPPER_BYTE, ALL = 0b0011, 0b1100, 0b1111  # nibbles
DOWN = 0b1111  # counts by -1


def cell(word: CellWord) -> dict[str, Any]:
    """The address of a word of the current column, or of that which a step makes it."""
    return {"cell": 1, "base": word}


def at(place: int) -> dict[str, Any]:
    return {"base": place}


def write_verify_program() -> Program:
    program = Program()
    _dispatch(program)
    _load(program)
    _cells(program)
    _decide(program)
    _pulse(program)
    _report(program)
    _single(program)
    _read(program)
    return program


def _put(program: Program, name: str, access: Access, then: str, **fields: Any) -> None:
    """Waits until the store has taken a byte."""
    program.add(name, name, then, access=access, test=Condition.READY, **fields)


def _dispatch(program: Program) -> None:
    add = program.add
    add("idle", "idle", "job", test=Condition.JOB, control=Control.TAKE)
    add("job", "cells job", "read", test=Condition.READING)
    add("cells job", "load", "single", test=Condition.SINGLE)
    add("finish", "idle", control=Control.FINISH)


def _load(program: Program) -> None:
    """The policy: array by array, in the order of POLICY_DTYPE; and the mask that the grid stands for."""
    add = program.add
    add("load", control=Control.CURSOR_POLICY)

    def array(name: str, block: int, last: Condition, then: str) -> None:
        _put(program, f"get {name}", Access.GET, f"keep {name}")
        add(
            f"keep {name}", f"get {name}", then, test=last, write=Write.FOREIGN, flags=ALL, control=Control.COUNT,
            **at(block),
        )  # fmt: skip

    array("globals", Base.GLOBAL, Condition.LAST_GLOBAL, "tables")
    add("tables", control=Control.COUNTER, flags=0)
    array("set", Base.TABLE, Condition.LAST_OF_TABLE, "next table")
    add("next table", control=Control.COUNTER, flags=0)
    array("reset", Base.BY_ERROR, Condition.LAST_OF_TABLE, "last table")
    add("last table", "grid", "get form", test=Condition.FORMING, control=Control.COUNTER, flags=0)
    array("form", Base.TABLE, Condition.LAST_OF_TABLE, "grid")
    add("grid", "grid bits", "cells", test=Condition.FORMING, control=Control.GRID_FULL, **at(memory.GRID))
    add("grid bits", action=Action.LOAD, **at(Own.ONE))
    add("one less", "coarser", "cells", action=Action.SUBTRACT, test=Condition.NEGATIVE)
    add("coarser", "one less", "cells", test=Condition.GRID_EMPTY, control=Control.GRID_SHIFT, **at(Own.ONE))


def _cells(program: Program) -> None:
    """The cells of the request: three bytes each, target and tolerance; or one byte of the mask, when forming."""
    add = program.add
    add("cells", control=Control.CURSOR_CLEAR)
    add("cell", control=Control.CURSOR_DATA, **at(Own.ZERO))
    add("no counts", action=Action.LOAD)
    add("clear target", write=Write.VALUE, **cell(CellWord.TARGET))
    add("clear tolerance", write=Write.VALUE, **cell(CellWord.TOLERANCE))
    add("clear counts", write=Write.VALUE, **cell(CellWord.COUNTS))
    _put(program, "byte 0", Access.GET, "which")
    add("which", "target", "mask byte", test=Condition.FORMING)
    nibbles: dict[str, Any] = {"write": Write.FOREIGN}
    add("mask byte", "tolerance", operand=Operand(0), flags=LOWER_BYTE, **nibbles, **cell(CellWord.TOLERANCE))
    add("target", operand=Operand(0), flags=LOWER_BYTE, **nibbles, **cell(CellWord.TARGET))
    _put(program, "byte 1", Access.GET, "target, upper")
    add("target, upper", operand=Operand(2), flags=0b0100, **nibbles, **cell(CellWord.TARGET))
    add("tolerance, lower", operand=Operand(1), flags=0b0001, **nibbles, **cell(CellWord.TOLERANCE))
    _put(program, "byte 2", Access.GET, "tolerance, upper")
    add("tolerance, upper", operand=Operand(3), flags=0b0110, **nibbles, **cell(CellWord.TOLERANCE))
    add("tolerance", **cell(CellWord.TOLERANCE))
    add("any", action=Action.LOAD, **at(Own.ONE))
    add("some", "runs", "left alone", test=Condition.NEGATIVE, **at(Own.ONE))
    add("runs", "tolerance + 1", "formed", action=Action.ADD, test=Condition.FORMING, **at(Own.FORMED))
    add("tolerance + 1", "flag", write=Write.VALUE, **cell(CellWord.TOLERANCE))
    add("formed", action=Action.LOAD, **at(Own.ZERO))
    add("formed target", action=Action.LOAD, write=Write.VALUE, **cell(CellWord.TARGET))
    add("formed tolerance", write=Write.VALUE, **cell(CellWord.TOLERANCE))
    add("flag", "another", "begin", test=Condition.LAST, write=Write.FLAGS, flags=RUNNING, **cell(CellWord.STATE))
    add("left alone", write=Write.VALUE, **cell(CellWord.TARGET))
    add("no flag", "another", "begin", test=Condition.LAST, write=Write.FLAGS, flags=0, **cell(CellWord.STATE))
    add("another", "no counts", access=Access.ADVANCE, **at(Own.ZERO))
    add("begin", **at(Own.ZERO))
    add("no rounds", "round", action=Action.LOAD)


# From a cell's last step, which has read the next one's state
NEXT = ("look", "check", "decided", "decided")
ADVANCE: dict[str, Any] = {
    "access": Access.ADVANCE, "test": Condition.AVAILABLE, "second": Second.LAST, **cell(CellWord.STATE),
}  # fmt: skip


def _decide(program: Program) -> None:
    """A round: what becomes of each cell. The accumulator has the number of the rounds before."""
    add = program.add
    add("round", write=Write.VALUE, control=Control.ROUND, **at(Own.ROUNDS))
    add("drive", control=Control.START, **at(memory.MAX_PULSES))
    add("limit", control=Control.LIMIT)
    add("look", "look", "check", test=Condition.AVAILABLE, local=Cell.FETCH, **cell(CellWord.STATE))
    add(
        "check", "skip", "excess", action=Action.LOAD, operand=Operand.CODE, test=Condition.RUNNING,
        **cell(CellWord.TARGET),
    )  # fmt: skip
    add("skip", *NEXT, local=Cell.FETCH, **ADVANCE)

    # The error, and whether it is small
    add(
        "excess", "over", "deficit", action=Action.EXCESS, test=Condition.NEGATIVE, local=Cell.WANT,
        **cell(CellWord.TOLERANCE),
    )  # fmt: skip
    add("over", "near", "converged", test=Condition.FORMING, **cell(CellWord.TOLERANCE))
    add("deficit", action=Action.SUBTRACT, operand=Operand.CODE, **cell(CellWord.TOLERANCE))
    add(
        "near", "error 8", "converged", "exhausted", "converged", test=Condition.NEGATIVE, second=Second.EXHAUSTED,
        **at(memory.ERROR_EDGES),
    )  # fmt: skip
    for bit in (8, 4, 2):
        add(f"error {bit}", local=Cell.SEARCH_ERROR, flags=bit, **at(memory.ERROR_EDGES))
    add(
        "error 1", "turn", NOWHERE, "conductance", NOWHERE, second=Second.FIRST,
        local=Cell.SEARCH_ERROR, flags=1, **cell(CellWord.STATE),
    )  # fmt: skip
    add(
        "turn", "step", "reversal", action=Action.LOAD, operand=Operand.AMPLITUDE,
        test=Condition.TURNED, **at(memory.STEP),
    )  # fmt: skip

    # One step up, or the first amplitude of a direction
    add("step", "top", "below 0", action=Action.ADD, operand=Operand.SIGNED, test=Condition.NEGATIVE, **at(memory.TOP))
    add("reversal", **cell(CellWord.COUNTS))
    add("reversals", action=Action.LOAD, **at(memory.LIMITS))
    add("too many", "one more", "exhausted", test=Condition.EQUAL_LOW, **at(Own.ONE))
    add("one more", action=Action.ADD)
    add("counted", write=Write.VALUE, local=Cell.BACKOFFS, **cell(CellWord.COUNTS))
    add(
        "conductance", "conductance 4", "below all", action=Action.LOAD, operand=Operand.CODE,
        test=Condition.CODE_NEGATIVE, **at(memory.CONDUCTANCE_EDGES),
    )  # fmt: skip
    add("conductance 4", local=Cell.SEARCH_CONDUCTANCE, flags=4, **at(memory.CONDUCTANCE_EDGES))
    add("conductance 2", local=Cell.SEARCH_CONDUCTANCE, flags=2, **at(memory.CONDUCTANCE_EDGES))
    add("conductance 1", local=Cell.SEARCH_CONDUCTANCE, flags=1, **at(memory.FIRST))
    add("first", action=Action.LOAD, operand=Operand.SIGNED, **at(memory.LEVEL))
    add(
        "level", "back off", "below 0", "top", "below 0", action=Action.ADD, operand=Operand.SIGNED,
        test=Condition.NEGATIVE, second=Second.FIRST, **at(memory.TOP),
    )  # fmt: skip
    add("below all", **at(Own.ZERO))
    add("as 0", "conductance 4", action=Action.LOAD, **at(memory.CONDUCTANCE_EDGES))
    add("back off", **at(memory.BACKOFF))
    add("less", "enough", "below 0", action=Action.SUBTRACT, test=Condition.NEGATIVE, local=Cell.BACK_OFF)
    add("enough", "back off", "top", test=Condition.BACKED_OFF, **at(memory.TOP))
    add("below 0", **at(Own.ZERO))
    add("zero", "top", action=Action.LOAD, **at(memory.TOP))
    add("top", "at top", "store", action=Action.LOWER, test=Condition.NEGATIVE)
    add("store", *NEXT, write=Write.STATE, flags=RUNNING, local=Cell.FETCH, **ADVANCE)

    # Pulses at the top
    add("at top", write=Write.STATE, flags=RUNNING, **cell(CellWord.STATE))
    add("tops", **cell(CellWord.COUNTS))
    add("limits", action=Action.LOAD, **at(memory.LIMITS))
    add("too often", "another top", "stuck", test=Condition.EQUAL_HIGH, **at(Own.ONE_HIGH))
    add("another top", action=Action.ADD)
    add("tops counted", "skip", write=Write.VALUE, local=Cell.RUNS, **cell(CellWord.COUNTS))

    for status in (CellStatus.CONVERGED, CellStatus.EXHAUSTED, CellStatus.STUCK):
        name = status.name.lower()
        add(name, **at(Own.ROUNDS))
        add(f"{name}, pulses", action=Action.LOAD)
        add(f"{name}, code", write=Write.VALUE, action=Action.LOAD, operand=Operand.CODE, **cell(CellWord.TARGET))
        add(f"{name}, state", *NEXT, write=Write.STATE, flags=status, local=Cell.FETCH, **ADVANCE)
    add("decided", "last look", "pulses", test=Condition.ANY_RUNNING)


def _pulse(program: Program) -> None:
    """A round's pulses: again and again the lowest amplitude of the cells that are due."""
    add = program.add
    state = cell(CellWord.STATE)
    add("pulses", control=Control.TO_SET)
    add("table", **at(memory.GATE))
    add("gate", control=Control.GATE, **at(memory.WIDTH))
    add("width", control=Control.WIDTH, **at(memory.WIDTH + 1))
    add("width, upper", control=Control.WIDTH_HIGH)
    add("highest", **at(Own.NO_LEVEL))
    add("from column 0", action=Action.LOAD, control=Control.COLUMN_0, **state)
    add(
        "lowest", "lowest", "wait", action=Action.LOWER_DUE, operand=Operand.GRID, access=Access.ADVANCE,
        test=Condition.LAST, **state,
    )  # fmt: skip
    add("wait", "over?", "wait", test=Condition.PULSE_BUSY)
    add("over?", "rail", "last look", test=Condition.TRIPPED)
    add("rail", "mask", "no level", control=Control.RAIL, test=Condition.NO_LEVEL, **state)
    add(
        "mask", "mask", "offer", operand=Operand.GRID, control=Control.MASK, write=Write.MEMBER,
        flags=RUNNING | PULSED, access=Access.ADVANCE, test=Condition.LAST, **state,
    )  # fmt: skip
    add("offer", "highest", control=Control.OFFER)
    add("no level", "set is done", "next round", test=Condition.RESET)
    add("set is done", "reset", "next round", test=Condition.FORMING)
    add("reset", "table", control=Control.TO_RESET)
    add("next round", control=Control.AGAIN, **at(Own.ROUNDS))
    add("rounds", action=Action.LOAD, **at(Own.ONE))
    add("rounds + 1", "round", action=Action.ADD)

    # After the last verify, or a trip: cells that were left alone get their code, those that still run end.
    following = ("last state", "last check", "report", "report")
    add("last look", control=Control.REWIND)
    add("last state", "last state", "last check", test=Condition.AVAILABLE, **state)
    add("last check", "ended", "tripped", test=Condition.RUNNING, local=Cell.FETCH, **state)
    add("ended", "go on", "skipped", test=Condition.SKIPPED)
    add("skipped", action=Action.LOAD, operand=Operand.CODE)
    add("skipped, state", *following, write=Write.STATE, flags=CellStatus.SKIPPED, **ADVANCE)
    add("go on", *following, **ADVANCE)
    add("tripped", "not pulsed", "pulsed", test=Condition.PULSED, **at(Own.ROUNDS))
    add("pulsed", action=Action.LOAD, **at(Own.ONE))
    add("one pulse more", "tripped, code", action=Action.ADD)
    add("not pulsed", action=Action.LOAD)
    add("tripped, code", write=Write.VALUE, action=Action.LOAD, operand=Operand.CODE, **cell(CellWord.TARGET))
    add("tripped, state", *following, write=Write.STATE, flags=CellStatus.TRIPPED, **ADVANCE)


def _report(program: Program) -> None:
    """The answer: five bytes a cell."""
    add = program.add
    state = cell(CellWord.STATE)
    add("report", control=Control.CURSOR_CLEAR)
    add("answer", control=Control.CURSOR_ANSWER, **state)
    _put(program, "status", Access.PUT_STATUS, "its pulses", **state)
    add("its pulses", control=Control.COUNT_CELL, **cell(CellWord.TARGET))
    add("load pulses", action=Action.LOAD)
    _put(program, "pulses, lower", Access.PUT_LOW, "pulses, upper")
    _put(program, "pulses, upper", Access.PUT_HIGH, "its code", **state)
    add("its code", action=Action.LOAD, operand=Operand.ENDED_CODE)
    _put(program, "code, lower", Access.PUT_LOW, "code, upper")
    _put(program, "code, upper", Access.PUT_HIGH, "cell done")
    add("cell done", "status", "finish", access=Access.ADVANCE, test=Condition.LAST, **state)


def _single(program: Program) -> None:
    """PULSE: one pulse, then the cell's verify code."""
    add = program.add
    add("single", "single", "one pulse", control=Control.MASK_CHOSEN, access=Access.ADVANCE, test=Condition.LAST)
    add("one pulse", control=Control.OFFER)
    add("its end", "its result", "its end", test=Condition.PULSE_BUSY, **at(Own.PULSE_TRIPPED))
    add("its result", "verify it", "one code", action=Action.LOAD, test=Condition.TRIPPED)
    add("verify it", control=Control.START)
    add("its column", "its column", "chosen", test=Condition.AVAILABLE)
    add("chosen", "other column", "take", test=Condition.CHOSEN, local=Cell.FETCH)
    add("take", action=Action.LOAD, operand=Operand.CODE)
    add("other column", "its column", "one code", access=Access.ADVANCE, test=Condition.LAST)
    add("one code", control=Control.CURSOR_CLEAR)
    add("its place", control=Control.CURSOR_ANSWER)
    _put(program, "one code, lower", Access.PUT_LOW, "one code, upper")
    _put(program, "one code, upper", Access.PUT_HIGH, "finish")


def _read(program: Program) -> None:
    """READ: for each row the drives, added up by column; then the averages.

    The sum S of n samples is kept as S = 256 H + L, where L adds up lower bytes. A code is (S + 8 n) // 16 n. With 2048 added, and
    L's upper byte carried over to H, it is 16 (H // n) + (256 (H % n) + L) // 16 n: eight bits and four, found one by one.
    """
    add = program.add
    low, high = cell(CellWord.TARGET), cell(CellWord.TOLERANCE)
    multiple = {shift: at(memory.MULTIPLES + shift) for shift in (0, 3, 4, 7, 8)}
    add("read", control=Control.CURSOR_ANSWER)
    add("read row", **at(Own.ZERO))
    add("no samples", action=Action.LOAD, control=Control.COLUMN_0)
    add("clear samples", write=Write.VALUE, **at(Own.SAMPLES))
    add("clear low", write=Write.VALUE, **low)
    add("clear high", "clear low", "sample", write=Write.VALUE, access=Access.ADVANCE, test=Condition.LAST, **high)
    add("sample", control=Control.START)
    add("add column", "add column", "low", test=Condition.AVAILABLE, **low)
    add("low", action=Action.LOAD, local=Cell.FETCH)
    add("add low", action=Action.ADD, operand=Operand.LOW)
    add("keep low", write=Write.VALUE, **low)
    add("high", **high)
    add("load high", action=Action.LOAD, operand=Operand.SIGNED)
    add("add high", action=Action.ADD, operand=Operand.HIGH)
    add("keep high", "add column", "samples", write=Write.VALUE, access=Access.ADVANCE, test=Condition.LAST, **high)
    add("samples", **at(Own.SAMPLES))
    add("load samples", action=Action.LOAD, **at(Own.ONE))
    add("samples + 1", action=Action.ADD)
    add("enough samples", "sample", "multiples", write=Write.VALUE, test=Condition.SAMPLES, **at(Own.SAMPLES))

    add("multiples", control=Control.COUNTER, flags=0)
    add("multiple", write=Write.VALUE, **multiple[0])
    add("same multiple", **multiple[0])
    add("twice", "multiple", "averages", action=Action.ADD, control=Control.COUNT, flags=1, test=Condition.LAST_GLOBAL)

    add("averages", control=Control.COLUMN_0)
    add("average", control=Control.COUNTER, flags=0, **low)
    add("sum, low", action=Action.LOAD, **multiple[3])
    add("rounded", action=Action.ADD)
    add("carry", write=Write.LANES, operand=Operand(2), flags=LOWER_BYTE, **at(Own.CARRY))
    add("rest", write=Write.LANES, operand=Operand(0), flags=LOWER_BYTE, **at(Own.BYTES))
    add("sum, high", **high)
    add("from the middle", action=Action.LOAD, operand=Operand.SIGNED, **multiple[7])
    add("above 0", action=Action.ADD, **at(Own.CARRY))
    add("carried", "compare", "lowest code", action=Action.ADD, test=Condition.NEGATIVE, **multiple[8])
    add("compare", "highest code", "upper bit", control=Control.COUNTER, flags=7, test=Condition.NEGATIVE)
    add("upper bit", **multiple[0])
    add(
        "divide", "upper bit", "remainder", action=Action.REDUCE, control=Control.COUNT, flags=DOWN, test=Condition.ZERO
    )
    add("remainder", write=Write.LANES, operand=Operand(2), flags=UPPER_BYTE, **at(Own.BYTES))
    add("and rest", **at(Own.BYTES))
    add("lower bits", action=Action.LOAD, control=Control.COUNTER, flags=3)
    add("lower bit", **multiple[4])
    add(
        "divide on",
        "lower bit",
        "quotient",
        action=Action.REDUCE,
        control=Control.COUNT,
        flags=DOWN,
        test=Condition.ZERO,
    )
    add("quotient", **at(Own.ONES))
    add("load quotient", action=Action.LOAD, operand=Operand.GRID, **at(Own.MIDDLE))
    add("signed", "pack", action=Action.SUBTRACT)
    add("lowest code", **at(Own.LOWEST))
    add("load lowest", "pack", action=Action.LOAD, operand=Operand.SIGNED)
    add("highest code", **at(Own.HIGHEST))
    add("load highest", "pack", action=Action.LOAD)
    # Two codes in three bytes
    add("pack", "first code", "second code", test=Condition.ODD)
    add(
        "first code", "average", write=Write.LANES, operand=Operand(0), flags=0b0111, access=Access.ADVANCE,
        **at(Own.PAIR),
    )  # fmt: skip
    add("second code", write=Write.LANES, operand=Operand(1), flags=0b1000, **at(Own.PAIR))
    add("third byte", write=Write.LANES, operand=Operand(1), flags=LOWER_BYTE, **at(Own.THIRD))
    add("pair", **at(Own.PAIR))
    add("load pair", action=Action.LOAD)
    _put(program, "pair, lower", Access.PUT_LOW, "pair, upper")
    _put(program, "pair, upper", Access.PUT_HIGH, "load third", **at(Own.THIRD))
    add("load third", action=Action.LOAD)
    _put(program, "put third", Access.PUT_LOW, "codes done")
    add("codes done", "average", "row done", access=Access.ADVANCE, test=Condition.LAST)
    add("row done", "read row", "finish", control=Control.NEXT_ROW, test=Condition.LAST_ROW)
