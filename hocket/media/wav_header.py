"""The bytes in front of the samples of a WAV file that this project writes."""

import struct
from typing import Final

from hocket.core.sound import AudioFormat
from hocket.media.riff import UNKNOWN_SIZE
from hocket.media.wav_format import fmt_content

_DS64_BYTES: Final = 28
_MAX_RIFF_BYTES: Final = 0xFFFF_FFFF


def wav_header(form: AudioFormat, data_bytes: int, *, is_growing: bool = False, trailer_bytes: int = 0) -> bytes:
    """Everything up to the first sample of a file with data_bytes of audio.

    RF64 past 4 GiB. A writer that does not know the length yet says `is_growing`: the header then has
    the same length for every data_bytes (EBU Tech 3306's way: a JUNK chunk keeps the place of
    `ds64`), so that it can be written again over itself. With data_bytes 0 readers read to the end of
    the file. `trailer_bytes`: whole chunks, such as tags, that will stand behind the data.
    Odd data needs a padding byte behind it: see `padding`.
    """
    if data_bytes < 0:
        raise ValueError(f"data_bytes is {data_bytes}")
    content = fmt_content(form)
    middle = _chunk(b"fmt ", content)
    frames = form.frames_in(data_bytes)
    if form.is_float:
        middle += _chunk(b"fact", min(frames, UNKNOWN_SIZE).to_bytes(4, "little"))
    padded_bytes = data_bytes + data_bytes % 2
    riff_bytes = 4 + len(middle) + 8 + padded_bytes + trailer_bytes
    with_place_bytes = riff_bytes + 8 + _DS64_BYTES
    if riff_bytes > _MAX_RIFF_BYTES or (is_growing and with_place_bytes > _MAX_RIFF_BYTES):
        ds64 = _chunk(b"ds64", struct.pack("<QQQI", with_place_bytes, data_bytes, frames, 0))
        return _form(b"RF64", UNKNOWN_SIZE) + ds64 + middle + _head(b"data", UNKNOWN_SIZE)
    if is_growing:
        place = _chunk(b"JUNK", bytes(_DS64_BYTES))
        return _form(b"RIFF", with_place_bytes) + place + middle + _head(b"data", data_bytes)
    return _form(b"RIFF", riff_bytes) + middle + _head(b"data", data_bytes)


def padding(data_bytes: int) -> bytes:
    """What must follow data_bytes of audio: chunks start at even offsets."""
    return b"\x00" * (data_bytes % 2)


def _form(name: bytes, size_bytes: int) -> bytes:
    return _head(name, size_bytes) + b"WAVE"


def _head(name: bytes, size_bytes: int) -> bytes:
    return name + size_bytes.to_bytes(4, "little")


def _chunk(name: bytes, content: bytes) -> bytes:
    return _head(name, len(content)) + content
