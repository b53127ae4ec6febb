"""Frames survive any split of their bytes; nothing is believed on the word of a header."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.address import HostPort
from hocket.core.errors import ErrorCode, ProtocolError
from hocket.core.ids import NodeId, SeatId, TrackId
from hocket.core.sound import AudioFormat
from hocket.core.track import Track
from hocket.wire import codec, limits
from hocket.wire.codec import Decoder, Flag, Frame
from hocket.wire.kinds import Kind
from hocket.wire.message import Message
from hocket.wire.messages.common import Done, ErrorReply
from hocket.wire.messages.login import LoginAt
from hocket.wire.messages.tracks import ListTracks, Read, TrackOpened

MESSAGES: list[Message] = [
    Done(),
    Read(7, 123_456_789_012, 262_144),
    LoginAt(NodeId("auth-00112233aabb"), HostPort("::1", 50001), SeatId("ab" * 16), 10.0),
    ListTracks("première", 100, 500),
    TrackOpened(1, Track(TrackId("a" * 64), "Ü/b.wav", "b", format=AudioFormat(44100, 2, 16), frames=9)),
    ErrorReply("SOMETHING_NEWER", "text", "hint", 1.5),
]


def open_decoder() -> Decoder:
    return Decoder(limits.MAX_CONTROL_BODY_BYTES, limits.MAX_CHUNK_BYTES)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    [frame] = open_decoder().feed(codec.encode(message, 42, Flag.REPLY))
    assert frame.correlation == 42
    assert frame.is_reply
    assert codec.decode(frame) == message


frames = st.builds(
    Frame,
    st.sampled_from([int(kind) for kind in Kind]),
    st.sampled_from([Flag.NONE, Flag.REPLY, Flag.REPLY | Flag.RAW, Flag.ERROR]),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=20_000),
)


def as_bytes(frame: Frame) -> bytes:
    return codec.header(Kind(frame.kind), frame.flags, frame.correlation, len(frame.body)) + frame.body


@given(st.lists(frames, max_size=6), st.data())
def test_any_split_gives_the_same_frames(wanted: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(as_bytes(frame) for frame in wanted)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    decoder = open_decoder()
    got: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += decoder.feed(stream[start:end])
    assert got == wanted
    assert decoder.pending_bytes == 0


def test_one_byte_at_a_time() -> None:
    decoder = open_decoder()
    stream = b"".join(codec.encode(message, number) for number, message in enumerate(MESSAGES))
    got = [frame for byte in stream for frame in decoder.feed(bytes([byte]))]
    assert [codec.decode(frame) for frame in got] == MESSAGES


def test_receiving_into_the_decoders_own_buffer() -> None:
    decoder = open_decoder()
    stream = memoryview(codec.header(Kind.CHUNK, Flag.REPLY | Flag.RAW, 1, 100_000) + bytes(100_000))
    got: list[Frame] = []
    while stream:
        with decoder.buffer() as room:
            count = min(len(room), len(stream))
            room[:count] = stream[:count]
        stream = stream[count:]
        got += decoder.advance(count)
    assert [len(frame.body) for frame in got] == [100_000]


def test_a_promised_length_allocates_nothing() -> None:
    decoder = open_decoder()
    assert decoder.feed(codec.header(Kind.CHUNK, Flag.REPLY | Flag.RAW, 1, limits.MAX_CHUNK_BYTES)) == []
    assert decoder.capacity_bytes <= 16 * 1024


def test_memory_is_bounded_and_given_back() -> None:
    decoder = open_decoder()
    piece = codec.header(Kind.CHUNK, Flag.REPLY | Flag.RAW, 1, limits.MAX_CHUNK_BYTES) + bytes(limits.MAX_CHUNK_BYTES)
    for _ in range(5):
        decoder.feed(piece)
        assert decoder.capacity_bytes <= 3 * limits.MAX_CHUNK_BYTES


@pytest.mark.parametrize(
    ("flags", "limit"),
    [(Flag.NONE, limits.MAX_HELLO_BODY_BYTES), (Flag.REPLY | Flag.RAW, 0)],
)
def test_a_stranger_may_send_little(flags: Flag, limit: int) -> None:
    decoder = Decoder()
    with pytest.raises(ProtocolError) as caught:
        decoder.feed(codec.header(Kind.HELLO, flags, 0, limit + 1))
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_unknown_flags_are_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        open_decoder().feed(struct.pack(">HBxII", Kind.PING, 0x80, 0, 0))
    assert caught.value.code is ErrorCode.MALFORMED


def fault(work: Callable[[], object]) -> ErrorCode | None:
    """The code of the ProtocolError that work raises; any other exception is a failure."""
    try:
        work()
    except ProtocolError as error:
        return error.code
    return None


@given(st.binary(max_size=400))
def test_garbage_is_frames_or_a_protocol_error(garbage: bytes) -> None:
    code = fault(lambda: [codec.decode(frame) for frame in open_decoder().feed(garbage)])
    assert code in {None, ErrorCode.TOO_LARGE, ErrorCode.MALFORMED, ErrorCode.UNKNOWN_KIND}


@given(st.sampled_from([int(kind) for kind in Kind]), st.binary(max_size=200))
def test_a_garbage_body_is_a_message_or_a_protocol_error(kind: int, body: bytes) -> None:
    code = fault(lambda: codec.encode(codec.decode(Frame(kind, Flag.NONE, 0, body))))
    assert code in {None, ErrorCode.MALFORMED}


def test_an_unknown_number_names_the_cure() -> None:
    with pytest.raises(ProtocolError) as caught:
        codec.decode(Frame(59_999, Flag.NONE, 0, b"\x90"))
    assert caught.value.code is ErrorCode.UNKNOWN_KIND
    assert "update" in caught.value.hint


def test_what_is_too_large_is_not_sent() -> None:
    with pytest.raises(ProtocolError) as caught:
        codec.encode(ErrorReply("X", "t" * (limits.MAX_CONTROL_BODY_BYTES + 1)))
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_newer_fields_are_ignored_and_missing_ones_filled_in() -> None:
    newer = b"\x94" + b"\x01\x02\x03" + b"\xc0"  # Read with a fourth field
    assert codec.decode(Frame(Kind.READ, Flag.NONE, 0, newer)) == Read(1, 2, 3)
    older = b"\x90"  # ListTracks without any field
    assert codec.decode(Frame(Kind.LIST_TRACKS, Flag.NONE, 0, older)) == ListTracks()


def test_the_header_is_what_the_protocol_page_says() -> None:
    assert codec.header(Kind.CHUNK, Flag.REPLY | Flag.RAW, 0x01020304, 0x10) == bytes.fromhex(
        "002f0500 01020304 00000010"
    )
