"""Audio files of many kinds, made by FFmpeg's own encoders (PyAV) from samples that a test knows."""

import math
import random
from array import array
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.stream import Disposition

RATE_HZ = 44100
_BLOCK_FRAMES = 1024


def tone(frames: int, rate_hz: int = RATE_HZ, channels: int = 2) -> "array[int]":
    """A quiet sine of 440 Hz as interleaved 16-bit samples."""
    wave = (round(8000 * math.sin(2 * math.pi * 440 * at / rate_hz)) for at in range(frames))
    return array("h", (sample for sample in wave for _ in range(channels)))


def noise(frames: int, bits: int, seed: int = 1, channels: int = 2) -> "array[int]":
    """Interleaved random samples of 16 bits, or of 17 to 32 at the upper end of 32-bit words."""
    draw = random.Random(seed)
    shift = (16 if bits == 16 else 32) - bits
    limit = 1 << (bits - 1)
    words = (draw.randrange(-limit, limit) << shift for _ in range(frames * channels))
    return array("h" if bits == 16 else "i", words)


def encode(
    path: Path,
    codec: str,
    samples: Sequence[int],
    *,
    sample_format: str,
    rate_hz: int = RATE_HZ,
    layout: str = "stereo",
    tags: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    picture: bytes = b"",
) -> None:
    """Write samples (an array of 'h' or 'i') to a file of the kind that its ending names; `picture` is a PNG."""
    packed = array("h", samples) if not isinstance(samples, array) else samples
    source_format = "s16" if packed.typecode == "h" else "s32"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate_hz, layout=layout, options=dict(options or {}))
        stream.codec_context.format = sample_format
        container.metadata.update(tags or {})
        cover = container.add_stream("png", width=1, height=1, pix_fmt="rgb24") if picture else None
        if cover is not None:
            cover.disposition = Disposition.attached_pic
        channels = stream.codec_context.layout.nb_channels
        resampler, fifo = AudioResampler(sample_format, layout, rate_hz), AudioFifo()
        container.start_encoding()
        if cover is not None:
            packet = av.Packet(picture)
            packet.stream = cover
            packet.pts = packet.dts = 0
            container.mux(packet)
        for at in range(0, len(packed) // channels, _BLOCK_FRAMES):
            block = packed[at * channels : (at + _BLOCK_FRAMES) * channels]
            for frame in resampler.resample(_frame(block, source_format, layout, rate_hz, at, channels)):
                fifo.write(frame)
        for frame in fifo.read_many(stream.codec_context.frame_size or _BLOCK_FRAMES, partial=True):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _frame(block: "array[int]", format: str, layout: str, rate_hz: int, at: int, channels: int) -> AudioFrame:
    frame = AudioFrame(format, layout, len(block) // channels)
    frame.rate = rate_hz
    frame.pts, frame.time_base = at, Fraction(1, rate_hz)
    data = block.tobytes()
    frame.planes[0].update(data.ljust(frame.planes[0].buffer_size, b"\0"))
    return frame
