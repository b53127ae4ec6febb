import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.errors import TrackUnplayable
from hocket.core.sound import AudioFormat
from hocket.media.riff import MAX_CHUNKS, reader_of
from hocket.media.wav import WavInfo, read_wav
from hocket.media.wav_header import padding, wav_header

PCM_16 = struct.pack("<HHIIHH", 1, 2, 44_100, 176_400, 4, 16)
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    size = len(content) if size is None else size
    return name + struct.pack("<I", size) + content + b"\0" * (len(content) % 2)


def riff(*chunks: bytes, form: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", len(body) if form == b"RIFF" else 0xFFFFFFFF) + body


def read(data: bytes) -> WavInfo:
    return read_wav(reader_of(data), len(data))


formats = st.builds(
    AudioFormat,
    st.integers(8_000, 192_000),
    st.integers(1, 8),
    st.sampled_from([8, 16, 24, 32]),
) | st.builds(AudioFormat, st.integers(8_000, 192_000), st.integers(1, 8), st.just(32), st.just(True))


@given(formats, st.integers(1, 50), st.booleans())
def test_what_is_written_is_read(form: AudioFormat, frames: int, is_growing: bool) -> None:
    audio = bytes(index % 251 for index in range(frames * form.bytes_per_frame))
    tail = padding(len(audio)) + chunk(b"LIST", b"INFO")
    data = wav_header(form, len(audio), is_growing=is_growing, trailer_bytes=len(tail)) + audio + tail
    info = read(data)
    assert (info.format, info.frames, info.data_bytes) == (form, frames, len(audio))
    assert data[info.data_offset_bytes : info.data_offset_bytes + info.data_bytes] == audio
    assert not info.is_cut_short
    assert [tag.name for tag in info.tag_chunks] == ["LIST"]


def test_the_standard_library_reads_what_is_written() -> None:
    form = AudioFormat(48_000, 2, 24)
    with wave.open(io.BytesIO(wav_header(form, 600) + bytes(600))) as other:
        assert other.getparams()[:4] == (2, 3, 48_000, 100)


@pytest.mark.parametrize("is_growing", [False, True])
def test_past_4_gib_the_header_is_rf64(is_growing: bool) -> None:
    form = AudioFormat(96_000, 8, 32)
    frames = 2**32 // form.bytes_per_frame + 1
    header = wav_header(form, frames * form.bytes_per_frame, is_growing=is_growing)
    info = read_wav(reader_of(header), len(header) + frames * form.bytes_per_frame)
    assert header.startswith(b"RF64")
    assert (info.frames, info.is_cut_short, info.data_offset_bytes) == (frames, False, len(header))


@given(formats)
def test_a_growing_files_header_keeps_its_length(form: AudioFormat) -> None:
    lengths = {len(wav_header(form, size, is_growing=True)) for size in (0, 4800, 2**32 - 64, 2**32, 2**40)}
    assert len(lengths) == 1


def test_chunks_around_the_data_and_padding() -> None:
    data = riff(
        chunk(b"JUNK", b"odd"), chunk(b"fmt ", PCM_16), chunk(b"LIST", b"INFO"), chunk(b"data", bytes(8)),
        chunk(b"cue ", b"12345"), chunk(b"id3 ", b"ID3"),
    )  # fmt: skip
    info = read(data)
    assert info.frames == 2
    assert [(tag.name, data[tag.offset_bytes : tag.offset_bytes + tag.size_bytes]) for tag in info.tag_chunks] == [
        ("LIST", b"INFO"),
        ("id3 ", b"ID3"),
    ]


def test_a_forgotten_padding_byte_is_forgiven() -> None:
    data = riff(b"JUNK" + struct.pack("<I", 3) + b"odd", chunk(b"fmt ", PCM_16), chunk(b"data", bytes(8)))
    assert read(data).frames == 2


def test_the_format_may_stand_behind_the_data() -> None:
    assert read(riff(chunk(b"data", bytes(8)), chunk(b"fmt ", PCM_16))).frames == 2


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_data_of_unknown_size_reaches_to_the_end(size: int) -> None:
    info = read(riff(chunk(b"fmt ", PCM_16), chunk(b"data", bytes(43), size=size)))
    assert (info.frames, info.data_bytes, info.is_cut_short) == (11, 44, False)  # 43 and the padding byte


def test_data_past_the_end_is_cut_to_whole_frames() -> None:
    data = riff(chunk(b"fmt ", PCM_16), chunk(b"data", bytes(42), size=4000))
    info = read(data[:-1])
    assert (info.frames, info.data_bytes, info.is_cut_short) == (10, 40, True)


@pytest.mark.parametrize("form", [b"RF64", b"BW64"])
def test_rf64_takes_sizes_from_ds64(form: bytes) -> None:
    ds64 = struct.pack("<QQQI4sQ", 0, 16, 4, 1, b"junk", 4)
    data = riff(
        chunk(b"ds64", ds64), chunk(b"junk", b"1234", size=0xFFFFFFFF), chunk(b"fmt ", PCM_16),
        chunk(b"data", bytes(16), size=0xFFFFFFFF), chunk(b"LIST", b"INFO"), form=form,
    )  # fmt: skip
    info = read(data)
    assert (info.frames, len(info.tag_chunks)) == (4, 1)


@pytest.mark.parametrize(
    "ds64", [b"", b"short", struct.pack("<QQQI", 0, 0, 0, 0), struct.pack("<QQQI", 9, 2**63, 9, 2**32 - 1)]
)
def test_rf64_with_a_lying_ds64_plays_to_the_end(ds64: bytes) -> None:
    data = riff(chunk(b"ds64", ds64), chunk(b"fmt ", PCM_16), chunk(b"data", bytes(16), size=0xFFFFFFFF), form=b"RF64")
    assert read(data).frames == 4


def extensible(code: int, bits: int = 24, valid_bits: int = 24, tail: bytes = GUID_TAIL) -> bytes:
    base = struct.pack("<HHIIHH", 0xFFFE, 2, 96_000, 96_000 * 2 * bits // 8, 2 * bits // 8, bits)
    return base + struct.pack("<HHIH", 22, valid_bits, 3, code) + tail


def test_extensible_formats() -> None:
    assert read(riff(chunk(b"fmt ", extensible(1, 24, 20)), chunk(b"data", bytes(6)))).format == AudioFormat(
        96_000, 2, 24
    )
    info = read(riff(chunk(b"fmt ", extensible(3, 32, 32)), chunk(b"data", bytes(8))))
    assert info.format == AudioFormat(96_000, 2, 32, True)


def test_twenty_bits_lie_in_three_bytes() -> None:
    fmt = struct.pack("<HHIIHH", 1, 2, 44_100, 264_600, 6, 20)
    assert read(riff(chunk(b"fmt ", fmt), chunk(b"data", bytes(6)))).format.bits == 24


def pcm(code: int = 1, channels: int = 2, rate: int = 44_100, frame: int | None = None, bits: int = 16) -> bytes:
    frame = channels * bits // 8 if frame is None else frame
    return struct.pack("<HHIIHH", code, channels, rate, (rate * frame) % 2**32, frame % 2**16, bits)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"RIF", "not a WAV file"),
        (b"fLaC and so on", "FLAC data under a .wav name: import it with controlNODE.py import"),
        (b"RIFX\0\0\0\0WAVE", "big-endian"),
        (b"RIFF\0\0\0\0AVI ", "not a WAV file"),
        (riff(), "no format chunk"),
        (riff(chunk(b"fmt ", PCM_16)), "no audio data chunk"),
        (riff(chunk(b"fmt ", PCM_16[:10]), chunk(b"data", bytes(8))), "10 bytes"),
        (riff(chunk(b"fmt ", PCM_16), chunk(b"data", bytes(3))), "no audio"),
        (riff(chunk(b"fmt ", PCM_16), chunk(b"data", b"")), "no audio"),
        (riff(chunk(b"fmt ", pcm(2)), chunk(b"data", bytes(8))), r"ADPCM \(format 0x0002\): import it"),
        (riff(chunk(b"fmt ", pcm(0x1234)), chunk(b"data", bytes(8))), "unknown encoding"),
        (riff(chunk(b"fmt ", pcm(channels=0)), chunk(b"data", bytes(8))), "0 channels"),
        (riff(chunk(b"fmt ", pcm(channels=9)), chunk(b"data", bytes(8))), "9 channels"),
        (riff(chunk(b"fmt ", pcm(rate=7999)), chunk(b"data", bytes(8))), "7999 Hz"),
        (riff(chunk(b"fmt ", pcm(rate=384_000)), chunk(b"data", bytes(8))), "384000 Hz"),
        (riff(chunk(b"fmt ", pcm(bits=0)), chunk(b"data", bytes(8))), "0 bit PCM"),
        (riff(chunk(b"fmt ", pcm(bits=64)), chunk(b"data", bytes(8))), "64 bit PCM"),
        (riff(chunk(b"fmt ", pcm(3, bits=64)), chunk(b"data", bytes(8))), "64 bit float"),
        (riff(chunk(b"fmt ", pcm(3, bits=16)), chunk(b"data", bytes(8))), "16 bit float"),
        (riff(chunk(b"fmt ", pcm(frame=3)), chunk(b"data", bytes(8))), "contradicts itself"),
        (riff(chunk(b"fmt ", extensible(1)[:30]), chunk(b"data", bytes(8))), "cut short"),
        (riff(chunk(b"fmt ", extensible(1, tail=bytes(14))), chunk(b"data", bytes(8))), "unknown encoding"),
        (riff(chunk(b"fmt ", extensible(0x55)), chunk(b"data", bytes(8))), "MP3"),
    ],
)
def test_what_cannot_play_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(TrackUnplayable, match=reason):
        read(data)


def test_endless_chunks_cost_a_bounded_number_of_reads() -> None:
    reads = 0

    def read_at(offset: int, size: int) -> bytes:
        nonlocal reads
        reads += 1
        return b"RIFF\0\0\0\0WAVE"[:size] if offset == 0 else b"JUNK\0\0\0\0"[:size]

    with pytest.raises(TrackUnplayable):
        read_wav(read_at, 2**60)
    assert reads <= 2 * MAX_CHUNKS + 2


def checked(data: bytes) -> None:
    """Whatever the bytes are: a reason, or a place inside the file; and no read longer than a header needs."""

    def read_at(offset: int, size: int) -> bytes:
        assert 0 <= size <= 4096
        return data[offset : offset + size]

    try:
        info = read_wav(read_at, len(data))
    except TrackUnplayable:
        return
    assert info.frames > 0
    assert info.data_bytes == info.frames * info.format.bytes_per_frame
    assert info.data_offset_bytes + info.data_bytes <= len(data)
    assert all(tag.offset_bytes + tag.size_bytes <= len(data) and tag.size_bytes >= 0 for tag in info.tag_chunks)


@given(st.binary(max_size=300))
def test_random_bytes_never_crash(data: bytes) -> None:
    checked(data)
    checked(b"RIFF\0\0\0\0WAVE" + data)
    checked(riff(chunk(b"fmt ", PCM_16)) + data)


DS64 = chunk(b"ds64", struct.pack("<QQQI4sQ", 0, 16, 4, 1, b"junk", 4))
SEEDS = [
    riff(chunk(b"fmt ", PCM_16), chunk(b"LIST", b"INFOINAM\2\0\0\0a\0"), chunk(b"data", bytes(64))),
    riff(DS64, chunk(b"fmt ", extensible(1)), chunk(b"data", bytes(64), size=0xFFFFFFFF), form=b"RF64"),
]


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=8),
    st.integers(0, 200),
)
def test_mutated_files_never_crash(seed: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(seed)
    for position, value in changes:
        data[position % len(data)] = value
    checked(bytes(data[: cut or len(data)]))
