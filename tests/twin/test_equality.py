"""Random conversations, with faults on the line, with an emulated board and one of compiled gateware: the same bytes, the same fabric.

`pytest tests/twin/test_equality.py --sequences 10000 --timeout 0` compares that many, others each time. A difference is shrunk to a short
script, which is printed; `--sequences-seed` repeats a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

import pytest
from tests.twin.conftest import Moment, Pair
from tests.twin.sequences import PASTS, Conversation, Speaker, Talker, shortest

CHIP = "bench-8x16"
SESSION = 1
TOLD_S = 60  # how often a long run says how far it is


class Boards:
    """One pair for many conversations, each of which begins where its past ends: what was compared before does not matter."""

    def __init__(self, make: Callable[..., Pair]) -> None:
        self._pair = make(CHIP, seed=5, stuck=0.1)
        self.spec = self._pair.spec
        self._pair.hello(SESSION)
        self._virgin = self._pair.moment()
        self._moments: dict[str, Moment] = {}

    def _after(self, past: str) -> Moment:
        if past not in self._moments:
            self._pair.go_back(self._virgin)
            self._pair.ask(*PASTS[past](self.spec))
            self._moments[past] = self._pair.moment()
        return self._moments[past]

    def compare(self, conversation: Conversation) -> None:
        """Raises AssertionError for a difference."""
        pair, moment = self._pair, self._after(conversation.past)
        pair.go_back(moment)
        speaker = Speaker(SESSION, moment.following)
        for item in conversation.items:
            pair.exchange(speaker.says(item))
        pair.same_fabric()

    def difference(self, conversation: Conversation) -> str | None:
        """What is different, if anything."""
        try:
            self.compare(conversation)
        except AssertionError as error:
            return str(error)
        return None


@pytest.fixture
def boards(pair: Callable[..., Pair]) -> Boards:
    return Boards(pair)


@pytest.mark.parametrize("usual", [30, pytest.param(150, marks=pytest.mark.slow)])
def test_random_conversations(usual: int, boards: Boards, pytestconfig: pytest.Config) -> None:
    asked = pytestconfig.getoption("--sequences", default=None)
    seed = pytestconfig.getoption("--sequences-seed", default=None)
    if seed is None:
        seed = usual if asked is None else time.time_ns()
    talker = Talker(boards.spec, Random(seed))
    told = time.monotonic()
    for number in range(asked or usual):
        conversation = talker.conversation()
        if boards.difference(conversation) is not None:
            short = shortest(conversation, lambda one: boards.difference(one) is not None)
            script = "\n".join(f"    {item}" for item in short.items)
            pytest.fail(
                f"seed {seed}, conversation {number}, after {short.past!r}:\n{script}\n{boards.difference(short)}"
            )
        if asked and time.monotonic() - told > TOLD_S:
            told = time.monotonic()
            print(f"{number + 1} of {asked} compared, seed {seed}", flush=True)
