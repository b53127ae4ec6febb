"""From any audio file to PCM: FFmpeg's demuxers and decoders, through PyAV.

Nothing is lost on the way where the source lost nothing: lossless files keep their rate and their
samples. Lossy ones become 16 bit by rounding, without dither: what they decode to carries more noise
of its own than the rounding adds, and the same file gives the same bytes every time.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

from hocket.adapters.library.reading import cannot_read
from hocket.core.errors import TrackUnplayable
from hocket.core.sound import AudioFormat
from hocket.media.tags import MAX_TEXT_CHARACTERS, Tags
from hocket.media.text import one_line
from hocket.media.wav_format import MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ

MAX_PICTURE_BYTES: Final = 2 * 1024 * 1024
"""A cover picture that is larger stays behind: every copy of the track would carry it."""

LEAST_SHARE: Final = 0.98
"""A lossy file that has less than this of its announced length is reported; headers round and estimate."""

_OPTIONS = {
    # A playlist or a script by the name of a song must not make FFmpeg open other files or the network.
    "protocol_whitelist": "file",
    "format_whitelist": "aac,ac3,aiff,amr,ape,asf,au,caf,dsf,dts,eac3,flac,iff,matroska,mov,mp3,mpc,mpc8,ogg,tta,"
    "w64,wav,wv",
}
_FORMATS = {"u8": (8, False), "s16": (16, False), "s24": (24, False), "s32": (32, False), "flt": (32, True)}
"""Samples as they are written -> their bits, and whether they are float."""

_PICTURE_TYPES = {"mjpeg": "image/jpeg", "png": "image/png"}


class Sink(Protocol):
    """Where a track goes. `begin` comes again, if what came so far was wrong."""

    def begin(self, form: AudioFormat) -> None: ...

    def write(self, samples: bytes | memoryview) -> None: ...


@dataclass(frozen=True, slots=True)
class About:
    """What a file says beside its samples. `damage`: what of it could not be read; "" if nothing."""

    tags: Tags
    picture: bytes = b""
    picture_type: str = ""
    damage: str = ""


class _IsWider(Exception):
    """Samples that were taken for 24 bit have more."""


def decode(path: Path, sink: Sink, on_bytes: Callable[[int], None]) -> About:
    """Decode a file into sink. `on_bytes` hears how much of the source is done; what it raises ends this.

    Raises TrackUnplayable with the reason: what is no audio, has no decoder, or is lossless and damaged.
    """
    try:
        try:
            return _Decoding(path, sink, on_bytes, "s24").run()
        except _IsWider:
            return _Decoding(path, sink, on_bytes, "s32").run()
    except av.error.InvalidDataError:
        raise TrackUnplayable("no audio file that can be decoded, or a damaged one") from None
    except av.error.FFmpegError as error:
        if isinstance(error, OSError) and error.errno and error.errno > 0:
            raise TrackUnplayable(cannot_read(error)) from None
        raise TrackUnplayable(f"cannot be decoded ({(error.strerror or str(error)).lower()})") from None


class _Decoding:
    """One pass over a file. FFmpeg has 24-bit samples in 32-bit words and PyAV does not tell them apart, so
    `wide` says what to take such words for."""

    def __init__(self, path: Path, sink: Sink, on_bytes: Callable[[int], None], wide: str) -> None:
        self._path = path
        self._sink = sink
        self._on_bytes = on_bytes
        self._wide = wide
        self._written = ""  # a key of _FORMATS, once the first frame came
        self._resampler: AudioResampler | None = None
        self._signature: tuple[str, str, int] | None = None
        self._layout = ""
        self._rate_hz = 0
        self._frames_read = 0
        self._frames_left: int | None = None
        self._source_rate_hz = 0
        self._damaged_packets = 0

    def run(self) -> About:
        # An absolute path is taken for no protocol of FFmpeg's ("concat:...").
        with av.open(str(self._path.absolute()), options=_OPTIONS) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                raise TrackUnplayable("there is no audio in it")
            if stream.codec_context is None:
                raise TrackUnplayable("there is no decoder for its encoding")
            stream.codec_context.thread_count = 1  # files go in parallel
            self._frames_left = _exact_frames(container, stream)
            cover = _cover_stream(container)
            picture = b""
            for packet in container.demux([stream, cover] if cover else [stream]):
                self._on_bytes(packet.size)
                if packet.stream is cover:
                    picture = picture or (bytes(packet) if packet.size <= MAX_PICTURE_BYTES else b"")
                else:
                    self._take(packet, stream)
            self._write(self._resampler.resample(None) if self._resampler else [])
            if not self._frames_read:
                raise TrackUnplayable("it holds no audio")
            kind = _PICTURE_TYPES[cover.codec_context.name] if cover and picture else ""
            return About(_tags({**container.metadata, **stream.metadata}), picture, kind, self._damage(stream))

    def _take(self, packet: "Packet[Stream]", stream: AudioStream) -> None:
        try:
            frames = stream.decode(packet)
        except av.error.InvalidDataError:
            self._damaged_packets += 1
            return
        for frame in frames:
            if frame.samples:
                if not self._written:
                    self._begin(frame, stream)
                self._frames_read += frame.samples
                self._write(self._resampled(frame))

    def _begin(self, frame: AudioFrame, stream: AudioStream) -> None:
        channels = frame.layout.nb_channels
        if not 1 <= channels <= MAX_CHANNELS:
            raise TrackUnplayable(f"{channels} channels, 1 to {MAX_CHANNELS} can play")
        self._written = _written_as(frame.format.packed.name, stream.codec_context.codec.lossless, self._wide)
        self._layout = frame.layout.name
        self._source_rate_hz = frame.sample_rate
        self._rate_hz = playable_rate(frame.sample_rate)
        bits, is_float = _FORMATS[self._written]
        self._sink.begin(AudioFormat(self._rate_hz, channels, bits, is_float))

    def _resampled(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        """A stream may change its format half-way (radio recordings do); the file keeps its first one."""
        signature = (frame.format.name, frame.layout.name, frame.sample_rate)
        if signature != self._signature:
            if self._resampler:
                yield from self._resampler.resample(None)
            format = "s32" if self._written == "s24" else self._written
            self._resampler = AudioResampler(format, self._layout, self._rate_hz)
            self._signature = signature
        assert self._resampler is not None
        yield from self._resampler.resample(frame)

    def _write(self, frames: "Iterator[AudioFrame] | list[AudioFrame]") -> None:
        for frame in frames:
            count = frame.samples
            if self._frames_left is not None:
                count = min(count, self._frames_left)
                self._frames_left -= count
            size_bytes = count * frame.layout.nb_channels * frame.format.bytes
            samples = memoryview(frame.planes[0])[:size_bytes]
            self._sink.write(_narrowed(bytes(samples)) if self._written == "s24" else samples)

    def _damage(self, stream: AudioStream) -> str:
        """What is missing, in words. Raises TrackUnplayable for lossless files: they are whole or they are broken."""
        announced = 0.0
        if stream.duration and stream.time_base:
            announced = float(stream.duration * stream.time_base) * self._source_rate_hz
        least = announced - 1 if stream.codec_context.codec.lossless else announced * LEAST_SHARE
        words = []
        if self._frames_read < least:
            there, all_of_it = (_minutes(frames / self._source_rate_hz) for frames in (self._frames_read, announced))
            words.append(f"only {there} of {all_of_it} could be read")
        if self._damaged_packets:
            words.append(f"{self._damaged_packets} damaged {'place' if self._damaged_packets == 1 else 'places'}")
        if words and stream.codec_context.codec.lossless:
            raise TrackUnplayable(f"the file is damaged: {', '.join(words)}")
        return ", ".join(words)


def playable_rate(rate_hz: int) -> int:
    """The nearest rate that can play, by whole factors: DSD's 352,800 Hz become 176,400 Hz."""
    if rate_hz > MAX_RATE_HZ:
        return rate_hz // -(-rate_hz // MAX_RATE_HZ)
    return rate_hz * -(-MIN_RATE_HZ // max(rate_hz, 1)) if rate_hz < MIN_RATE_HZ else rate_hz


def _written_as(format: str, is_lossless: bool, wide: str) -> str:
    if format == "u8":
        return "u8"
    if format == "s16" or not is_lossless:
        return "s16"
    if format in ("flt", "dbl"):
        return "flt"
    return wide


def _narrowed(words: bytes) -> bytes:
    """The upper 24 bits of 32-bit words. Raises _IsWider if there is anything in the lower 8."""
    if words[0::4].strip(b"\x00"):
        raise _IsWider
    samples = bytearray(len(words) // 4 * 3)
    for place in range(3):
        samples[place::3] = words[place + 1 :: 4]
    return bytes(samples)


def _exact_frames(container: InputContainer, stream: AudioStream) -> int | None:
    """How many frames the music has, where the decoder cannot know what the encoder padded at the end: in MP4."""
    if "mov" not in container.format.name or stream.codec_context.codec.lossless:
        return None
    with contextlib.suppress(IndexError, ValueError):  # iTunes' own note: flags, priming, padding, frames, in hex
        if frames := int(container.metadata.get("iTunSMPB", "").split()[3], 16):
            return frames
    if not stream.duration or not stream.time_base:
        return None
    # Edit lists often count milliseconds.
    return round((float(stream.duration * stream.time_base) + 0.001) * stream.codec_context.sample_rate)


def _cover_stream(container: InputContainer) -> Stream | None:
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic and stream.codec_context.name in _PICTURE_TYPES:
            return stream
    return None


def _tags(metadata: dict[str, str]) -> Tags:
    found = {key.lower(): value for key, value in metadata.items()}
    title, artist, album = (
        one_line(next((found[key] for key in keys if found.get(key)), ""), MAX_TEXT_CHARACTERS)
        for keys in (("title",), ("artist", "album_artist", "author"), ("album",))
    )
    number = found.get("track", found.get("tracknumber", "")).partition("/")[0].strip()
    return Tags(title, artist, album, int(number) if number.isdecimal() and len(number) < 5 else 0)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
