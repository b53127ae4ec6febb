"""WAV files: from the first bytes to the place of every sample.

Reads a few dozen bytes, however large the file; never allocates or loops on the word of a length
field. What cannot play raises TrackUnplayable with the reason.
"""

import msgspec

from hocket.core.errors import TrackUnplayable
from hocket.core.sound import AudioFormat
from hocket.media.riff import DS64_MAX_BYTES, UNKNOWN_SIZE, Chunk, ReadAt, chunks, long_sizes
from hocket.media.wav_format import FMT_MAX_BYTES, IMPORT_HINT, parse_fmt

_FORM_BYTES = 12
_MAX_TAG_CHUNKS = 8
_TAG_CHUNKS = (b"LIST", b"id3 ", b"ID3 ")
_SIGNATURES = (
    (b"fLaC", "FLAC"),
    (b"OggS", "Ogg"),
    (b"ID3", "MP3"),
    (b"\xff\xfb", "MP3"),
    (b"FORM", "AIFF"),
    (b"caff", "Core Audio"),
    (b"riff\x2e\x91\xcf\x11", "Wave64"),
    (b"RIFX", "big-endian WAV (RIFX)"),
    (b"MAC ", "Monkey's Audio"),
    (b"wvpk", "WavPack"),
)


class TagChunk(msgspec.Struct, frozen=True, array_like=True):
    """Where a chunk of tags lies; `name` is its four characters."""

    name: str
    offset_bytes: int
    size_bytes: int


class WavInfo(msgspec.Struct, frozen=True):
    """What there is to know to play a file.

    `data_bytes` are whole frames from `data_offset_bytes` on. `is_cut_short`: the header promises
    more audio than the file has, so it is damaged or still being written.
    """

    format: AudioFormat
    data_offset_bytes: int
    data_bytes: int
    frames: int
    is_cut_short: bool = False
    tag_chunks: tuple[TagChunk, ...] = ()


def read_wav(read_at: ReadAt, file_bytes: int) -> WavInfo:
    """Read the headers of a file of file_bytes through read_at.

    A `data` chunk of size 0 or 0xFFFFFFFF, or one that ends past the file, reaches to the file's
    end. Raises TrackUnplayable; what read_at raises passes through.
    """
    _check_form(read_at(0, _FORM_BYTES))
    sizes: dict[bytes, int] = {}
    form: AudioFormat | None = None
    data: Chunk | None = None
    tags: list[TagChunk] = []
    for chunk in chunks(read_at, _FORM_BYTES, file_bytes, sizes):
        if chunk.name == b"ds64" and not sizes:
            sizes.update(long_sizes(read_at(chunk.offset_bytes, min(chunk.size_bytes, DS64_MAX_BYTES))))
        elif chunk.name == b"fmt " and form is None:
            form = parse_fmt(read_at(chunk.offset_bytes, min(chunk.size_bytes, FMT_MAX_BYTES)))
        elif chunk.name == b"data" and data is None:
            data = chunk
        elif chunk.name in _TAG_CHUNKS and len(tags) < _MAX_TAG_CHUNKS:
            size_bytes = min(chunk.size_bytes, file_bytes - chunk.offset_bytes)
            tags.append(TagChunk(chunk.name.decode("ascii"), chunk.offset_bytes, size_bytes))
    if form is None:
        raise TrackUnplayable("it has no format chunk: a damaged WAV file")
    if data is None:
        raise TrackUnplayable("it has no audio data chunk: a damaged WAV file")
    return _place(form, data, file_bytes, tuple(tags))


def _place(form: AudioFormat, data: Chunk, file_bytes: int, tags: tuple[TagChunk, ...]) -> WavInfo:
    there_bytes = file_bytes - data.offset_bytes
    is_open_ended = data.size_bytes in (0, UNKNOWN_SIZE)
    frames = form.frames_in(there_bytes if is_open_ended else min(data.size_bytes, there_bytes))
    if frames <= 0:
        raise TrackUnplayable("it holds no audio")
    return WavInfo(
        format=form,
        data_offset_bytes=data.offset_bytes,
        data_bytes=frames * form.bytes_per_frame,
        frames=frames,
        is_cut_short=not is_open_ended and data.size_bytes > there_bytes,
        tag_chunks=tags,
    )


def _check_form(head: bytes) -> None:
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return
    if not head:
        raise TrackUnplayable("the file is empty")
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            raise TrackUnplayable(f"{kind} data under a .wav name", hint=IMPORT_HINT)
    raise TrackUnplayable("not a WAV file")
