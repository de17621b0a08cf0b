import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ohmloom.link import Frame, FrameDecoder, encode
from ohmloom.spec.commands import (
    ANSWER,
    DEFAULT_BAUD,
    ERROR_LAYOUT,
    HELLO,
    MVM,
    NAK_LAYOUT,
    PROTOCOL_VERSION,
    RATE,
    TYPE_ERROR,
    TYPE_NAK,
    ErrorCode,
    NakReason,
)
from ohmloom_emulator.controller.receiver import Receiver

BAD = b"\x05nonsense\0"


def hello(session=1, sequence=0):
    return encode(HELLO.code, sequence, HELLO.request.pack(session=session, protocol=PROTOCOL_VERSION))


def mvm(sequence, count=None):
    return encode(MVM.code, sequence & 0xFF, MVM.request.pack(tile=0, range=0, count=count or sequence, codes=[1, -2]))


def rate(sequence, baud):
    return encode(RATE.code, sequence, RATE.request.pack(baud=baud))


def frames(data):
    items = FrameDecoder(2048).feed(data)
    assert all(isinstance(item, Frame) for item in items)
    return items


def nak(expected, reason):
    return [Frame(TYPE_NAK, expected, NAK_LAYOUT.pack(expected=expected, reason=reason))]


def executed(executor):
    return [MVM.request.unpack(payload)["count"] for _, payload in executor.calls]


def test_hello_tells_the_limits_and_the_next_number_follows(receiver, executor):
    (answer,) = frames(receiver.feed(hello(session=77, sequence=200)))
    assert (answer.type, answer.sequence) == (HELLO.code | ANSWER, 200)
    assert HELLO.answer.unpack(answer.payload) == {
        "session": 77, "protocol": 1, "window": 4, "payload": 2048, "baud_max": 3_000_000, "emulated": 1,
    }  # fmt: skip
    assert frames(receiver.feed(mvm(201)))[0].type == MVM.code | ANSWER
    assert executed(executor) == [201]


def test_nothing_executes_without_a_session(receiver, executor):
    assert frames(receiver.feed(mvm(0))) == nak(0, NakReason.NO_SESSION)
    assert executor.calls == []


def test_a_gap_stops_execution_until_it_is_filled(receiver, executor):
    receiver.feed(hello())
    assert [item.type for item in frames(receiver.feed(mvm(1) + mvm(3) + mvm(4) + mvm(2) + mvm(3)))] == [
        MVM.code | ANSWER, TYPE_NAK, TYPE_NAK, MVM.code | ANSWER, MVM.code | ANSWER,
    ]  # fmt: skip
    assert executed(executor) == [1, 2, 3]
    assert frames(receiver.feed(mvm(9))) == nak(4, NakReason.OUT_OF_SEQUENCE)


def test_a_bad_frame_is_named_and_changes_nothing(receiver, executor):
    receiver.feed(hello())
    assert frames(receiver.feed(BAD)) == nak(1, NakReason.BAD_FRAME)
    assert frames(receiver.feed(encode(MVM.code, 1, bytes(2049)))) == nak(1, NakReason.BAD_FRAME)
    assert executor.calls == []
    receiver.feed(mvm(1))
    assert executed(executor) == [1]
    assert (receiver.frames_good, receiver.frames_bad, receiver.naks, receiver.repeats) == (2, 2, 2, 0)


def test_the_last_window_of_answers_is_remembered_and_no_more(receiver, executor):
    receiver.feed(hello())
    answers = [receiver.feed(mvm(number)) for number in range(1, 7)]
    assert [receiver.feed(mvm(number)) for number in range(3, 7)] == answers[2:]
    assert receiver.feed(mvm(4, count=99)) == answers[3]  # whatever the repeated frame asks for
    assert frames(receiver.feed(mvm(2))) == nak(7, NakReason.OUT_OF_SEQUENCE)
    assert executed(executor) == [1, 2, 3, 4, 5, 6]
    assert receiver.repeats == 5


def test_sequence_numbers_wrap(receiver, executor):
    receiver.feed(hello(sequence=250))
    answers = [receiver.feed(mvm(251 + i, count=i + 1)) for i in range(600)]
    assert executed(executor) == list(range(1, 601))
    assert receiver.feed(mvm(251 + 597)) == answers[597]


def test_refusals_are_remembered_too(receiver, executor):
    receiver.feed(hello())
    refusal = receiver.feed(encode(0x7E, 1, b""))
    assert frames(refusal)[0].type == TYPE_ERROR
    assert receiver.feed(encode(0x7E, 1, b"")) == refusal
    assert len(executor.calls) == 1


def test_a_new_session_forgets_old_answers_a_repeated_hello_does_not(receiver, executor):
    first = receiver.feed(hello(session=5))
    answer = receiver.feed(mvm(1))
    assert receiver.feed(hello(session=5)) == first
    assert receiver.feed(mvm(1)) == answer
    receiver.feed(mvm(2))
    assert executed(executor) == [1, 2]
    receiver.feed(hello(session=6))
    assert frames(receiver.feed(mvm(0))) == nak(1, NakReason.OUT_OF_SEQUENCE)
    assert frames(receiver.feed(mvm(2))) == nak(1, NakReason.OUT_OF_SEQUENCE)
    receiver.feed(mvm(1))
    assert executed(executor) == [1, 2, 1]


def test_a_hello_of_another_length_opens_nothing(receiver, executor):
    (answer,) = frames(receiver.feed(encode(HELLO.code, 0, b"abc")))
    assert answer.type == TYPE_ERROR
    assert ERROR_LAYOUT.unpack(answer.payload) == {"command": HELLO.code, "code": ErrorCode.BAD_LENGTH, "detail": 3}
    assert frames(receiver.feed(mvm(1))) == nak(0, NakReason.NO_SESSION)
    assert executor.calls == []


def test_rate_changes_after_its_answer_and_a_good_frame_settles_it(receiver):
    receiver.feed(hello())
    (answer,) = frames(receiver.feed(rate(1, 1_000_000)))
    assert RATE.answer.unpack(answer.payload) == {"baud": 1_000_000}
    assert receiver.baud == 1_000_000
    receiver.feed(3 * BAD + mvm(2) + 10 * BAD)
    assert receiver.baud == 1_000_000


def test_four_bad_frames_at_a_new_rate_bring_the_old_one_back_and_a_repeat_the_new(receiver):
    receiver.feed(hello())
    answer = receiver.feed(rate(1, 1_000_000))
    receiver.feed(3 * BAD)
    assert receiver.baud == 1_000_000
    receiver.feed(BAD)
    assert receiver.baud == DEFAULT_BAUD
    receiver.feed(10 * BAD)
    assert receiver.baud == DEFAULT_BAUD
    assert receiver.feed(rate(1, 1_000_000)) == answer
    assert receiver.baud == 1_000_000


@pytest.mark.parametrize("baud", [0, 9_599, 3_000_001])
def test_impossible_rates_are_refused(receiver, baud):
    receiver.feed(hello())
    (answer,) = frames(receiver.feed(rate(1, baud)))
    assert ERROR_LAYOUT.unpack(answer.payload) == {"command": RATE.code, "code": ErrorCode.BAD_VALUE, "detail": baud}
    (answer,) = frames(receiver.feed(encode(RATE.code, 2, b"")))
    assert ERROR_LAYOUT.unpack(answer.payload)["code"] == ErrorCode.BAD_LENGTH
    assert receiver.baud == DEFAULT_BAUD


def test_windows_that_numbers_cannot_tell_apart_are_refused(executor):
    for window in (0, 128):
        with pytest.raises(ValueError, match="window"):
            Receiver(executor, window=window, max_payload=64, baud_max=DEFAULT_BAUD)


def test_an_answer_that_does_not_fit_is_the_executors_fault():
    receiver = Receiver(lambda _type, _payload: (0x90, bytes(65)), window=1, max_payload=64, baud_max=DEFAULT_BAUD)
    receiver.feed(hello())
    with pytest.raises(ValueError, match="65 bytes, 64 allowed"):
        receiver.feed(encode(0x10, 1, b""))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=200)))
def test_random_bytes_execute_nothing_and_leave_it_usable(chunks):
    calls = []
    receiver = Receiver(lambda *call: calls.append(call) or (0x90, b""), window=4, max_payload=64, baud_max=3_000_000)
    receiver.feed(hello())
    for chunk in chunks:
        for item in frames(receiver.feed(chunk)):
            assert item.type == TYPE_NAK
    assert calls == []
    receiver.feed(b"\0" + encode(0x10, 1, b"x"))
    assert calls == [(0x10, b"x")]


@given(st.binary(max_size=60), st.data())
def test_mutated_frames_execute_as_sent_or_not_at_all(payload, data):
    calls = []
    receiver = Receiver(lambda *call: calls.append(call) or (0x90, b""), window=4, max_payload=64, baud_max=3_000_000)
    receiver.feed(hello())
    line = bytearray(encode(0x10, 1, payload))
    at = data.draw(st.integers(0, len(line) - 1))
    match data.draw(st.sampled_from(["replace", "delete", "insert", "truncate"])):
        case "replace":
            line[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != line[at]))
        case "delete":
            del line[at]
        case "insert":
            line.insert(at, data.draw(st.integers(1, 255)))
        case "truncate":
            del line[at:]
    receiver.feed(bytes(line))
    assert calls in ([], [(0x10, payload)])
    calls.clear()
    receiver.feed(b"\0" + encode(0x10, 1, payload) + encode(0x10, 2, payload))
    assert calls[-1:] == [(0x10, payload)]
