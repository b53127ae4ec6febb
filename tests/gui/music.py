"""A small library for tests and pictures: tones with an envelope, tags, a broken file, a cover."""

import math
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy

from hocket.core.sound import AudioFormat
from hocket.media.tags import Tags, info_chunk
from hocket.media.wav_header import padding, wav_header

FORMAT = AudioFormat(44_100, 2, 16)

TITLES = (
    "Amber Room",
    "Slow Trains",
    "Kitchen Light",
    "Harbour at Five",
    "北の道",
    "Überfahrt",
    "Paper Kites",
    "Low Tide",
    "Second Snow",
    "The Long Way Round",
    "Field Notes",
    "Lantern",
)
ARTISTS = ("The Makers", "Ada & the Tides", "東京アンサンブル")
ALBUMS = ("First Light", "Harbour Songs")


def samples(seconds: float, seed: int) -> bytes:
    """Stereo tones that swell and fade, never silent for long."""
    rng = numpy.random.default_rng(seed)
    t = numpy.arange(round(seconds * FORMAT.rate_hz)) / FORMAT.rate_hz
    swell = numpy.interp(t, numpy.linspace(0, seconds, 48), rng.uniform(0.15, 1.0, 48))
    beat = 0.55 + 0.45 * numpy.abs(numpy.sin(math.pi * t * rng.uniform(0.5, 1.5)))
    pitches = 110 * 2 ** (rng.integers(0, 24, 3) / 12)
    voices = [numpy.sin(2 * math.pi * pitch * t) for pitch in pitches]
    mixed = (sum(voices) * swell * beat * 9_000).astype("<i2")
    return numpy.column_stack((mixed, mixed[::-1])).tobytes()


def write_song(path: Path, tags: Tags, seconds: float, seed: int, extra_chunks: bytes = b"") -> bytes:
    """A WAV file with tags; returns its samples."""
    data = samples(seconds, seed)
    trailer = info_chunk(tags) + extra_chunks
    path.parent.mkdir(parents=True, exist_ok=True)
    header = wav_header(FORMAT, len(data), trailer_bytes=len(trailer))
    path.write_bytes(header + data + padding(len(data)) + trailer)
    return data


def id3_chunk(picture: bytes, kind: int = 3, mime: bytes = b"image/png") -> bytes:
    """A RIFF chunk with an ID3v2.3 tag that holds one picture."""
    frame = b"\x00" + mime + b"\x00" + bytes([kind]) + b"front\x00" + picture
    frames = b"APIC" + struct.pack(">I", len(frame)) + b"\x00\x00" + frame
    size = len(frames)
    digits = bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    tag = b"ID3\x03\x00\x00" + digits + frames
    return b"id3 " + struct.pack("<I", len(tag)) + tag + b"\x00" * (len(tag) % 2)


def write_library(
    music: Path, seconds: Sequence[float] = (6.0, 8.0, 5.0), count: int = len(TITLES)
) -> dict[str, bytes]:
    """Some songs and two files that cannot play; title -> samples."""
    made: dict[str, bytes] = {}
    for number, title in enumerate(TITLES[:count], 1):
        artist, album = ARTISTS[number % 3], ALBUMS[number % 2]
        tags = Tags(title, artist, album, number)
        path = music / artist / album / f"{number:02} - {title}.wav"
        made[title] = write_song(path, tags, seconds[number % len(seconds)], number)
    (music / "demo tape.wav").write_bytes(b"RIFF")
    (music / "from the phone.mp3").write_bytes(b"ID3")
    return made
