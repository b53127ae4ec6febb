"""The `fmt ` chunk of a WAV file, read and written.

Sources: Microsoft "Multiple Channel Audio Data and WAVE Files" (WAVE_FORMAT_EXTENSIBLE, channel
masks) and the registered format numbers of `mmreg.h`.
"""

import struct
from typing import Final

from hocket.core.errors import TrackUnplayable
from hocket.core.sound import AudioFormat

IMPORT_HINT: Final = "import it with controlNODE.py import"

MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 192_000
MAX_CHANNELS: Final = 8
FMT_MAX_BYTES: Final = 40
"""The largest `fmt ` that means anything here: WAVEFORMATEXTENSIBLE."""

_PCM = 0x0001
_FLOAT = 0x0003
_EXTENSIBLE = 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_BASE = struct.Struct("<HHIIHH")
_EXTENSION = struct.Struct("<HHI")

_CODECS = {
    0x0002: "ADPCM",
    0x0006: "A-law",
    0x0007: "µ-law",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0050: "MPEG audio",
    0x0055: "MP3",
    0x0092: "Dolby AC-3",
    0x00FF: "AAC",
    0x0161: "Windows Media Audio",
    0x2000: "Dolby AC-3",
    0xF1AC: "FLAC",
}

# Speakers of a stream of N channels, in the order of the file: mono, stereo, 3.0, quad, 5.0, 5.1, 6.1, 7.1.
_CHANNEL_MASKS = {1: 0x4, 2: 0x3, 3: 0x7, 4: 0x33, 5: 0x37, 6: 0x3F, 7: 0x70F, 8: 0x63F}


def parse_fmt(content: bytes) -> AudioFormat:
    """The format in a `fmt ` chunk. Raises TrackUnplayable with the reason."""
    if len(content) < _BASE.size:
        raise TrackUnplayable(f"its format chunk has {len(content)} bytes, {_BASE.size} are the least")
    code, channels, rate_hz, _bytes_per_second, frame_bytes, bits = _BASE.unpack_from(content)
    if code == _EXTENSIBLE:
        code = _code_behind_guid(content)
    if code not in (_PCM, _FLOAT):
        name = _CODECS.get(code, "an unknown encoding")
        raise TrackUnplayable(f"{name} (format 0x{code:04X})", hint=IMPORT_HINT)
    if not 1 <= channels <= MAX_CHANNELS:
        raise TrackUnplayable(f"{channels} channels, 1 to {MAX_CHANNELS} can play")
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise TrackUnplayable(f"{rate_hz} Hz, {MIN_RATE_HZ} to {MAX_RATE_HZ} can play", hint=IMPORT_HINT)
    # A sample of an odd width such as 20 bits lies left-aligned in whole bytes.
    stored_bits = (bits + 7) // 8 * 8
    if stored_bits not in ((32,) if code == _FLOAT else (8, 16, 24, 32)):
        kind = "float" if code == _FLOAT else "PCM"
        raise TrackUnplayable(f"{bits} bit {kind} samples", hint=IMPORT_HINT)
    if frame_bytes != channels * stored_bits // 8:
        raise TrackUnplayable(
            f"its format contradicts itself: frames of {frame_bytes} bytes with {channels} channels of {bits} bits"
        )
    return AudioFormat(rate_hz, channels, stored_bits, code == _FLOAT)


def _code_behind_guid(content: bytes) -> int:
    guid = content[24:40]
    if len(guid) < 16:
        raise TrackUnplayable("its extensible format chunk is cut short")
    if guid[2:] != _GUID_TAIL:
        raise TrackUnplayable(f"an unknown encoding ({guid.hex()})", hint=IMPORT_HINT)
    return int.from_bytes(guid[:2], "little")


def fmt_content(form: AudioFormat) -> bytes:
    """The content of a `fmt ` chunk; extensible past two channels, where only a mask says which speaker is which."""
    code = _FLOAT if form.is_float else _PCM
    extensible = form.channels > 2
    base = _BASE.pack(
        _EXTENSIBLE if extensible else code,
        form.channels,
        form.rate_hz,
        form.bytes_per_second,
        form.bytes_per_frame,
        form.bits,
    )
    if extensible:
        mask = _CHANNEL_MASKS.get(form.channels, 0)
        return base + _EXTENSION.pack(22, form.bits, mask) + code.to_bytes(2, "little") + _GUID_TAIL
    return base + b"\x00\x00" if form.is_float else base
