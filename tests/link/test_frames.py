import random
from binascii import crc_hqx

from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from ohmloom.link import BadFrame, Frame, FrameDecoder, encode

payloads = st.binary(max_size=300)
frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), payloads)


def crc_by_bits(data):
    """CRC-16/IBM-3740 as its definition says, one bit at a time."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc


def test_check_value_of_the_crc():
    assert crc_hqx(b"123456789", 0xFFFF) == 0x29B1
    # Type, sequence and payload are the nine check bytes, so the frame ends with the check value, low byte first.
    assert cobs.decode(encode(ord("1"), ord("2"), b"3456789")[:-1])[-2:] == b"\xb1\x29"


@given(frames)
def test_layout_of_a_frame(frame):
    line = encode(*frame)
    assert line.endswith(b"\0")
    assert b"\0" not in line[:-1]
    body = cobs.decode(line[:-1])
    assert body[:-2] == bytes((frame.type, frame.sequence)) + frame.payload
    assert int.from_bytes(body[-2:], "little") == crc_by_bits(body[:-2])


@given(st.lists(st.one_of(frames, st.just(None))), st.lists(st.integers(1, 400), min_size=1))
def test_frames_survive_any_cutting_of_the_stream(sent, cuts):
    stream = b"".join(encode(*frame) if frame else b"\0\0" for frame in sent)
    decoder, received = FrameDecoder(300), []
    while stream:
        for cut in cuts:
            received += decoder.feed(stream[:cut])
            stream = stream[cut:]
    assert received == [frame for frame in sent if frame]


def test_every_payload_length_up_to_the_limit_and_none_beyond():
    decoder = FrameDecoder(1100)
    for length in range(1101):
        for byte in (b"\0", b"\x01", b"\xff"):
            assert decoder.feed(encode(7, length & 0xFF, byte * length)) == [Frame(7, length & 0xFF, byte * length)]
    for byte in (b"\0", b"\x01"):
        assert [type(item) for item in decoder.feed(encode(7, 0, byte * 1101))] == [BadFrame]


def test_an_endless_run_is_one_bad_frame_in_bounded_memory():
    decoder = FrameDecoder(64)
    found = []
    for _ in range(1000):
        found += decoder.feed(b"\x55" * 100)
        assert len(decoder._partial) <= 64 + 5
    assert [type(item) for item in found] == [BadFrame]
    assert decoder.feed(b"\x55\0" + encode(1, 2, b"after")) == [Frame(1, 2, b"after")]


@given(st.binary(max_size=600))
def test_random_bytes_never_crash_and_leave_the_decoder_usable(noise):
    decoder = FrameDecoder(64)
    decoder.feed(noise + b"\0")
    assert decoder.feed(encode(1, 2, b"after")) == [Frame(1, 2, b"after")]


@given(payloads, st.data())
def test_up_to_three_flipped_data_bits_never_pass(payload, data):
    """The polynomial's Hamming distance is 4 at these lengths (P. Koopman, CRC polynomial zoo: 0x8810)."""
    line = bytearray(encode(9, 4, payload))
    codes = code_positions(line)
    bits = [bit for bit in range(8 * len(line)) if bit // 8 not in codes]
    for bit in data.draw(st.sets(st.sampled_from(bits), min_size=1, max_size=3)):
        line[bit // 8] ^= 1 << bit % 8
    if b"\0" not in line[:-1]:
        assert all(isinstance(item, BadFrame) for item in FrameDecoder(300).feed(bytes(line)))


def code_positions(line):
    """Where COBS's length codes and the delimiter are: the bytes that are no data."""
    positions, at = set(), 0
    while line[at]:
        positions.add(at)
        at += line[at]
    return positions | {at}


def test_flipped_stuffing_does_not_pass():
    """Every single flip, in codes, delimiter and data alike, of many frames: none yields a frame."""
    rng = random.Random(5)
    for _ in range(60):
        frame = Frame(rng.randrange(256), rng.randrange(256), rng.randbytes(rng.randrange(40)))
        line = encode(*frame)
        for bit in range(8 * len(line)):
            hit = bytearray(line)
            hit[bit // 8] ^= 1 << bit % 8
            assert not any(isinstance(item, Frame) for item in FrameDecoder(64).feed(bytes(hit) + b"\0"))
