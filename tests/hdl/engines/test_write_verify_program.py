"""The write-verify engine's program always ends: each of its loops has a measure that falls."""

from dataclasses import dataclass

import pytest

from ohmloom_hdl.engines.cell_memory import CellWord, Own
from ohmloom_hdl.engines.cell_program import RUNNING, write_verify_program
from ohmloom_hdl.engines.cell_steps import RESTARTS, Access, Action, Cell, Condition, Control, Program, Write

STEPS = write_verify_program().steps
WAITS = {Condition.JOB, Condition.READY, Condition.AVAILABLE, Condition.PULSE_BUSY}  # for what others are bound to do


def has(name, **wanted):
    fields = STEPS[name].fields
    return all(
        fields.get(key) in (value if isinstance(value, tuple | set) else (value,)) for key, value in wanted.items()
    )


@dataclass(frozen=True)
class Measure:
    """What falls with each pass through one of the steps `falls`, has a lower bound, and only rises in the steps `rises`."""

    name: str
    falls: set[str]
    rises: set[str]


def steps(**wanted):
    return {name for name in STEPS if has(name, **wanted)}


# See docs/write_verify.md for why each of them has a lower bound.
MEASURES = (
    Measure("jobs to come", steps(control=Control.FINISH), set()),
    Measure("rows to read", steps(control=Control.NEXT_ROW), steps(control=Control.TAKE)),
    Measure("samples to take", {"enough samples"}, {"clear samples"}),
    Measure("rounds to come", {"rounds + 1"}, {"no rounds"}),
    Measure("directions to come", steps(control=Control.TO_RESET), steps(control=Control.TO_SET)),
    Measure("cells due", steps(control=Control.OFFER), steps(write=Write.STATE, flags=RUNNING) | {"flag", "reset"}),
    Measure("columns to come", steps(access=Access.ADVANCE), steps(control=RESTARTS)),
    Measure(
        "bits of the grid to come",
        steps(control=Control.GRID_SHIFT),
        steps(control=Control.GRID_FULL) | steps(action=Action.REDUCE),
    ),
    Measure("words to load", steps(control=Control.COUNT), steps(control={Control.COUNTER, Control.TAKE})),
    Measure("backoffs to come", steps(local=Cell.BACK_OFF), steps(local=Cell.BACKOFFS)),
)


def loops(names, edges):
    """The strongly connected parts of a graph that have an edge."""
    reach = {name: {name} for name in names}
    changed = True
    while changed:
        changed = False
        for name in names:
            more = set().union(*(reach[target] for target in edges[name] if target in reach)) - reach[name]
            changed |= bool(more)
            reach[name] |= more
    parts = {frozenset(other for other in reach[name] if name in reach[other]) for name in names}
    return [part for part in parts if any(target in part for name in part for target in edges[name])]


def check(names, edges):
    """Each loop has a measure that does not rise in it; without the steps where that falls, only loops within are left."""
    for part in loops(names, edges):
        found = [measure for measure in MEASURES if measure.falls & part and not measure.rises & part]
        assert found, f"nothing falls in {sorted(part)}"
        check(part - found[0].falls, edges)


def edges_without_waits():
    return {
        name: {target for target in step.followers if target and not (target == name and has(name, test=WAITS))}
        for name, step in STEPS.items()
    }


def test_each_loop_has_a_measure_that_falls():
    check(set(STEPS), edges_without_waits())


@pytest.mark.parametrize("gone", ["rounds to come", "cells due", "columns to come", "backoffs to come"])
def test_the_check_needs_the_measures(gone, monkeypatch):
    monkeypatch.setitem(globals(), "MEASURES", [measure for measure in MEASURES if measure.name != gone])
    with pytest.raises(AssertionError, match="nothing falls"):
        check(set(STEPS), edges_without_waits())


def test_nobody_else_writes_what_measures_rest_on():
    """The rounds are counted up by one, and a cell is due again only after a decision."""
    rounds = {
        name for name in STEPS if has(name, write=Write.VALUE, base=Own.ROUNDS) and not STEPS[name].fields.get("cell")
    }
    assert rounds == {"round"}
    assert {name for name in STEPS if "round" in STEPS[name].followers} == {"rounds + 1", "no rounds"}
    states = {name for name in STEPS if STEPS[name].fields.get("cell") and has(name, base=CellWord.STATE)}
    assert {name for name in states if has(name, write=Write.FLAGS)} == {"flag", "no flag"}
    assert {name for name in states if has(name, write=Write.MEMBER)} == {"mask"}


def test_steps_that_branches_choose_from_lie_side_by_side():
    program = Program()
    program.add("a", "a", "b", test=Condition.JOB)
    program.add("b", "a", "b", "c", "c", test=Condition.LAST, second=1)
    program.add("c", "b")
    words = program.words()

    def follow(place, name, depth):
        step = program.steps[name]
        assert {key: words[place].get(key) for key in step.fields} == step.fields
        if depth:
            begin = words[place]["next"]
            assert begin % len(step.followers) == 0
            for number, follower in enumerate(step.followers):
                follow(begin + number, follower, depth - 1)

    follow(0, "a", 6)
