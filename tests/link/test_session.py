"""Sessions over an in-process line to the real receiver."""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ohmloom.errors import ArgumentError, ChipError, LinkError
from ohmloom.link import Session, encode
from ohmloom.spec.commands import ANSWER, DEFAULT_BAUD, HELLO, INFO, MVM, TYPE_ERROR, ErrorCode
from ohmloom_emulator.controller.receiver import Receiver
from ohmloom_emulator.line import NoisyLine


class Faults:
    """Drops, repeats, cuts and flips what passes, and puts garbage between, each with probability `often` a piece."""

    def __init__(self, often, seed):
        self.often, self.random = often, random.Random(seed)

    def __call__(self, data):
        rng = self.random
        if rng.random() < self.often:
            data = b""
        if rng.random() < self.often:
            data += data
        if rng.random() < self.often:
            data = data[: rng.randrange(len(data) + 1)]
        if rng.random() < self.often and data:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        if rng.random() < self.often:
            at = rng.randrange(len(data) + 1)
            data = data[:at] + rng.randbytes(rng.randrange(30)) + data[at:]
        return data


def check(session, executor, values):
    """Runs all requests; every one executed once, in order, and answered rightly."""
    answers = list(session.stream((MVM, each) for each in values))
    assert executor.calls == [(MVM.code, MVM.request.pack(**each)) for each in values]
    assert [answer["saturated"] for answer in answers] == [each["count"] for each in values]
    for answer, each in zip(answers, values, strict=True):
        np.testing.assert_array_equal(answer["codes"], each["codes"][::-1])


def test_clean_line(session, port, executor, mvm_values):
    answer = session.hello()
    assert (session.window, session.payload_max, session.baud_max, session.emulated) == (4, 2048, 3_000_000, True)
    assert answer["protocol"] == 1
    check(session, executor, [mvm_values(i, 10 + 7 * i) for i in range(290)])
    assert port.most_in_flight == 4
    statistics = session.statistics
    assert (statistics.frames_sent, statistics.frames_received) == (291, 291)
    assert (statistics.repeats, statistics.bad_frames, statistics.naks) == (0, 0, 0)


@pytest.mark.parametrize(("ber", "count"), [(3e-4, 600), (1e-3, 300)])
def test_noise_in_both_directions(session, port, executor, mvm_values, ber, count):
    port.to_controller, port.to_host = NoisyLine(ber, seed=1), NoisyLine(ber, seed=2)
    session.hello()
    sent, answers, sizes = [], [], []

    def requests():
        for index in range(count):
            sizes.append(session.payload_budget)
            sent.append(mvm_values(index, session.payload_budget))
            yield MVM, sent[-1]

    answers = list(session.stream(requests()))
    assert executor.calls == [(MVM.code, MVM.request.pack(**each)) for each in sent]
    assert all(
        answer["saturated"] == each["count"] and np.array_equal(answer["codes"], each["codes"][::-1])
        for answer, each in zip(answers, sent, strict=True)
    )
    assert min(sizes) == 64
    assert np.mean(sizes) < 256
    assert session.statistics.repeats > count / 10
    assert session.statistics.naks > 0
    assert port.receiver.repeats > 0
    assert port.most_in_flight <= 4


def test_long_frames_pass_a_noisy_line_too(session, port, executor, mvm_values):
    """A request that cannot be made shorter: 600 bytes each way at 3e-4, of which one attempt in 25 comes through."""
    port.to_controller, port.to_host = NoisyLine(3e-4, seed=3), NoisyLine(3e-4, seed=4)
    session.hello()
    check(session, executor, [mvm_values(i, 600) for i in range(30)])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("often", [0.02, 0.15])
def test_faults_of_every_kind(session, port, executor, mvm_values, often, seed):
    session.hello()
    port.to_controller, port.to_host = Faults(often, seed), Faults(often, seed + 100)
    check(session, executor, [mvm_values(i, 40) for i in range(300)])
    assert session.statistics.repeats > 0
    assert port.most_in_flight <= 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(1, 9), st.lists(st.sampled_from(["pass", "drop", "twice", "cut", "garbage"]), max_size=40))
def test_any_script_of_faults(port, executor, mvm_values, window, script):
    executor.calls.clear()
    port.receiver = Receiver(executor, window=window, max_payload=256, baud_max=DEFAULT_BAUD)
    port.to_controller = port.to_host = lambda data: data
    port.most_in_flight = 0
    session = Session(port)
    session.hello()
    rest = iter(script)

    def fault(data):
        return {
            "pass": data, "drop": b"", "twice": data + data, "cut": data[:-3], "garbage": b"\x03x" + data,
        }[next(rest, "pass")]  # fmt: skip

    port.to_controller = port.to_host = fault
    check(session, executor, [mvm_values(i, 20) for i in range(20)])
    assert port.most_in_flight <= window


def test_requests_are_pulled_only_when_they_can_be_sent(session, mvm_values):
    session.hello()
    pulled = []

    def requests():
        for index in range(20):
            pulled.append(index)
            yield MVM, mvm_values(index, 20)

    for answered, _ in enumerate(session.stream(requests()), start=1):
        assert len(pulled) <= answered + session.window


def test_budget_grows_on_a_clean_line_and_shrinks_on_a_bad_one(session, port, mvm_values):
    session.hello()
    assert session.payload_budget == 256
    for index in range(40):
        session.request(MVM, **mvm_values(index, 20))
    assert session.payload_budget == session.payload_max == 2048
    port.to_host = NoisyLine(5e-3, seed=1)
    for index in range(40):
        session.request(MVM, **mvm_values(index, 20))
    assert 64 <= session.payload_budget < 512


def test_a_refusal_names_command_reason_and_detail(session, executor, mvm_values):
    session.hello()
    with pytest.raises(ChipError, match=r"INFO was refused: .*does not know this command.*detail -7") as caught:
        session.request(INFO)
    assert caught.value.code == ErrorCode.UNKNOWN_COMMAND
    values = mvm_values(1, 20)
    stream = session.stream([(MVM, values), (INFO, {}), (MVM, values)])
    assert next(stream)["saturated"] == 1
    with pytest.raises(ChipError):
        next(stream)
    assert session.request(MVM, **mvm_values(5, 20))["saturated"] == 5
    # What was in flight with the refused one was executed, and its answer is nobody else's.
    assert [code for code, _ in executor.calls] == [INFO.code, MVM.code, INFO.code, MVM.code, MVM.code]


def test_an_abandoned_stream_does_not_disturb_the_next(session, executor, mvm_values):
    session.hello()
    first = session.stream((MVM, mvm_values(i, 20)) for i in range(10))
    assert next(first)["saturated"] == 0
    assert session.request(MVM, **mvm_values(50, 20))["saturated"] == 50
    assert next(first)["saturated"] == 1
    first.close()
    assert session.request(MVM, **mvm_values(51, 20))["saturated"] == 51
    counts = [MVM.request.unpack(payload)["count"] for _, payload in executor.calls]
    assert counts == [0, 1, 2, 3, 50, *([4] if 4 in counts else []), 51]


def test_arguments_are_refused_before_anything_is_sent(session, executor, mvm_values):
    with pytest.raises(LinkError, match="hello"):
        session.request(INFO)
    session.hello()
    sent = session.statistics.bytes_sent
    with pytest.raises(ArgumentError, match="payload of 3004 bytes; the controller takes 2048"):
        session.request(MVM, **mvm_values(0, 3004))
    with pytest.raises(ArgumentError, match="tile"):
        session.request(MVM, tile=300, range=0, count=0, codes=[])
    assert session.statistics.bytes_sent == sent
    assert executor.calls == []
    session.request(MVM, **mvm_values(0, 20))


def test_old_and_foreign_answers_are_ignored(session, port, executor, mvm_values):
    session.hello()
    number = 0

    def with_strangers(data):
        nonlocal number
        number += 1
        old = encode(MVM.code | ANSWER, (number - 1) & 0xFF, MVM.answer.pack(saturated=9, codes=[1]))
        other = encode(INFO.code | ANSWER, number & 0xFF, b"")
        refused = encode(TYPE_ERROR, number & 0xFF, bytes((INFO.code, 1)) + bytes(8))
        hello = encode(HELLO.code | ANSWER, number & 0xFF, bytes(14))
        return old + other + refused + hello + data

    port.to_host = with_strangers
    for index in range(300):
        assert session.request(MVM, **mvm_values(index, 20))["saturated"] == index


def test_an_answer_that_does_not_fit_its_layout_is_fetched_again(session, port, executor, mvm_values):
    session.hello()
    wrong = [encode(MVM.code | ANSWER, 1, b"x")]
    port.to_host = lambda data: wrong.pop() if wrong else data
    check(session, executor, [mvm_values(1, 20)])
    assert session.statistics.bad_frames == 1


def test_a_new_session_does_not_get_old_answers(session, port, executor, mvm_values):
    session.hello()
    list(session.stream((MVM, mvm_values(i, 20)) for i in range(3)))
    port.write(encode(MVM.code, 4, bytes(50))[:20])  # the first host dies in the middle of a frame
    executor.calls.clear()
    second = Session(port)
    second.hello()
    check(second, executor, [mvm_values(100 + i, 20) for i in range(5)])


def test_a_restarted_controller_is_noticed(session, port, executor, mvm_values):
    session.hello()
    session.request(MVM, **mvm_values(0, 20))
    port.receiver = Receiver(executor, window=4, max_payload=2048, baud_max=DEFAULT_BAUD)
    with pytest.raises(LinkError, match="restarted"):
        session.request(MVM, **mvm_values(1, 20))
    session.hello()
    assert session.request(MVM, **mvm_values(2, 20))["saturated"] == 2
    assert len(executor.calls) == 2


def test_a_dead_line_ends_in_an_error_and_a_revived_one_goes_on(session, port, executor, mvm_values):
    session.hello()
    port.to_host = lambda _: b""
    with pytest.raises(LinkError, match=r"MVM failed: 200 attempts to send \d+ bytes brought no answer"):
        session.request(MVM, **mvm_values(0, 20))
    port.to_host = lambda data: data
    session.request(MVM, **mvm_values(1, 20))
    assert [MVM.request.unpack(payload)["count"] for _, payload in executor.calls] == [0, 1]


def test_a_closed_port_is_a_link_error(session, mvm_values):
    session.hello()
    session.close()
    with pytest.raises(LinkError, match="not open"):
        session.request(MVM, **mvm_values(0, 20))
    with pytest.raises(LinkError, match="not open"):
        session.hello()


def test_another_protocol_version_is_named(session, port, monkeypatch):
    monkeypatch.setattr("ohmloom_emulator.controller.receiver.PROTOCOL_VERSION", 9)
    with pytest.raises(LinkError, match="protocol 9, this host 1"):
        session.hello()


# -- rates ----------------------------------------------------------------------------------------------------------


def test_a_new_rate(session, port, executor, mvm_values):
    session.hello()
    assert session.set_rate(3_000_000) == 3_000_000
    assert port.baudrate == port.receiver.baud == 3_000_000
    check(session, executor, [mvm_values(i, 20) for i in range(10)])
    port.receiver.feed(b"\x05nonsense\0" * 10)  # confirmed, so that noise does not undo it
    assert port.receiver.baud == 3_000_000


def test_a_rate_at_which_nothing_comes_through_is_left_again(session, port, executor, mvm_values):
    session.hello()
    port.broken_rates = {2_000_000}
    assert session.set_rate(2_000_000) == DEFAULT_BAUD
    assert port.baudrate == port.receiver.baud == DEFAULT_BAUD
    check(session, executor, [mvm_values(i, 20) for i in range(10)])


def test_a_rate_that_the_port_cannot_do_is_left_again(session, port, executor, mvm_values, monkeypatch):
    class Slow(type(port)):
        def __setattr__(self, name, value):
            if name == "baudrate" and value > 1_000_000:
                raise ValueError("not a rate of this bridge")
            super().__setattr__(name, value)

    session.hello()
    port.__class__ = Slow
    assert session.set_rate(3_000_000) == DEFAULT_BAUD
    check(session, executor, [mvm_values(i, 20) for i in range(10)])


@pytest.mark.parametrize("lost", [1, 3])
def test_a_lost_answer_to_rate(session, port, executor, mvm_values, lost):
    session.hello()
    remaining = [b""] * lost
    port.to_host = lambda data: remaining.pop() if remaining and data else data
    assert session.set_rate(1_000_000) == 1_000_000
    assert port.baudrate == port.receiver.baud == 1_000_000
    check(session, executor, [mvm_values(i, 20) for i in range(10)])


@pytest.mark.parametrize("seed", range(5))
def test_rate_changes_on_a_noisy_line(session, port, executor, mvm_values, seed):
    port.to_controller, port.to_host = NoisyLine(1e-3, seed=seed), NoisyLine(1e-3, seed=seed + 50)
    session.hello()
    for baud in (1_000_000, 3_000_000, 230_400):
        assert session.set_rate(baud) in (baud, DEFAULT_BAUD)
        assert port.baudrate == port.receiver.baud
    check(session, executor, [mvm_values(i, 20) for i in range(50)])


def test_a_refused_rate_changes_nothing(session, port, executor, mvm_values):
    session.hello()
    with pytest.raises(ChipError, match=r"RATE was refused.*detail 9000000") as caught:
        session.set_rate(9_000_000)
    assert caught.value.code == ErrorCode.BAD_VALUE
    assert port.baudrate == port.receiver.baud == DEFAULT_BAUD
    check(session, executor, [mvm_values(i, 20) for i in range(3)])


@pytest.mark.parametrize("baud", [DEFAULT_BAUD, 921_600, 3_000_000])
def test_a_controller_left_at_another_rate_is_found(session, port, executor, mvm_values, baud):
    session.hello()
    session.set_rate(baud)
    port.baudrate = DEFAULT_BAUD
    second = Session(port)
    second.hello()
    assert port.baudrate == port.receiver.baud == baud
    check(second, executor, [mvm_values(i, 20) for i in range(3)])
