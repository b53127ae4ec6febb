"""The format of PCM samples: shared by files (media), speakers (audio) and the wire."""

import msgspec


class AudioFormat(msgspec.Struct, frozen=True, array_like=True):
    """How the bytes of a track become frames. Little-endian, interleaved, no padding between samples."""

    rate_hz: int
    channels: int
    bits: int  # of one sample as stored: 8 (unsigned), 16, 24 or 32
    is_float: bool = False

    @property
    def bytes_per_frame(self) -> int:
        return self.channels * self.bits // 8

    @property
    def bytes_per_second(self) -> int:
        return self.rate_hz * self.bytes_per_frame

    def frames_in(self, size_bytes: int) -> int:
        """Whole frames in so many bytes."""
        return size_bytes // self.bytes_per_frame

    def seconds(self, frames: int) -> float:
        return frames / self.rate_hz

    def __str__(self) -> str:
        kind = "float" if self.is_float else "bit"
        return f"{self.rate_hz} Hz, {self.channels} ch, {self.bits} {kind}"
