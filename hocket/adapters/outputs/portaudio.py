"""PortAudio, loaded late and kept quiet: devices by name, streams whose callback is C (rtmixer)."""

import contextlib
import ctypes
import importlib
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from hocket.adapters.outputs.base import OutputError
from hocket.core.sound import AudioFormat

log = logging.getLogger(__name__)

MAX_ACTIONS = 64
"""Commands under way between us and the callback; a power of two, many times what one stream needs."""

_NO_DEVICE_HINT = "the outputs null (plays nothing) and wav:PATH (plays into a file) need none"
_lock = threading.Lock()
_stderr_lock = threading.Lock()
_open_streams = 0


class Device(msgspec.Struct, frozen=True):
    """A sound device that can play."""

    index: int
    name: str
    max_channels: int
    is_default: bool


class Libraries(NamedTuple):
    """The modules `sounddevice` and `rtmixer`; neither ships types."""

    sounddevice: Any
    rtmixer: Any


@cache
def libraries() -> Libraries:
    """PortAudio's Python sides, ready to use. Raises OutputError where a part is missing."""
    # A rate or format that a card cannot do is then converted by ALSA instead of refused by PortAudio.
    os.environ.setdefault("PA_ALSA_PLUGHW", "1")
    try:
        with _quiet():
            loaded = Libraries(importlib.import_module("sounddevice"), importlib.import_module("rtmixer"))
    except (ImportError, OSError) as error:
        hint = "install the client's packages and, on Linux, libportaudio2"
        raise OutputError(f"no sound without PortAudio ({error})", hint=hint) from None
    _hush_alsa()
    return loaded


def devices(rescan: bool = False) -> list[Device]:
    """All sound devices that can play. rescan: also those plugged in since the program started."""
    sd = libraries().sounddevice
    with _lock, _quiet():
        if rescan and not _open_streams:
            # PortAudio lists devices when it starts; sounddevice has no public name for starting it anew.
            sd._terminate()
            sd._initialize()
        default_index = sd.default.device["output"]
        return [
            Device(found["index"], found["name"], found["max_output_channels"], found["index"] == default_index)
            for found in sd.query_devices()
            if found["max_output_channels"] > 0
        ]


def pick(wanted: str, among: Sequence[Device]) -> Device:
    """The default device, or the one with that name or part of a name. Raises OutputError, listing what there is."""
    if not among:
        raise OutputError("this machine has no sound device", hint=_NO_DEVICE_HINT)
    if not wanted:
        return next((device for device in among if device.is_default), among[0])
    word = wanted.casefold()
    found = [device for device in among if device.name.casefold() == word]
    found = found or [device for device in among if word in device.name.casefold()]
    if len({device.name for device in found}) == 1:
        return next((device for device in found if device.is_default), found[0])
    problem = f"'{wanted}' could be several sound devices" if found else f"no sound device is called '{wanted}'"
    raise OutputError(problem, hint="there are: " + ", ".join(device.name for device in found or among))


def open_mixer(device: Device, format: AudioFormat, latency_s: float, on_finished: Callable[[], None]) -> Any:
    """A running `rtmixer.Mixer`, silent, with as many channels as the device takes. Raises OutputError.

    on_finished is called from PortAudio's own thread when the stream ends, wanted or not.
    """
    global _open_streams
    loaded = libraries()
    refusal = ""
    for channels in _channel_choices(format.channels, device.max_channels):
        with _lock, _quiet():
            try:
                mixer = loaded.rtmixer.Mixer(
                    device=device.index,
                    channels=channels,
                    samplerate=format.rate_hz,
                    latency=latency_s,
                    blocksize=0,
                    dither_off=True,
                    qsize=MAX_ACTIONS,
                    finished_callback=on_finished,
                )
            except (loaded.sounddevice.PortAudioError, ValueError) as error:
                refusal = refusal or _reason(error)
                continue
            try:
                mixer.start()
            except loaded.sounddevice.PortAudioError as error:
                refusal = refusal or _reason(error)
                mixer.close()
                continue
            _open_streams += 1
            return mixer
    hint = f"choose another device; {_NO_DEVICE_HINT}"
    raise OutputError(f"the sound device {device.name} does not open for {format} ({refusal})", hint=hint)


def close_mixer(mixer: Any) -> None:
    """Fall silent at once and give the device back, even one that is no longer there."""
    global _open_streams
    error_type = libraries().sounddevice.PortAudioError
    with _lock, _quiet():
        for step in (mixer.abort, mixer.close):
            try:
                step()
            except error_type as error:
                log.debug("closing the sound device: %s", error)
        _open_streams -= 1


def _channel_choices(wanted: int, most: int) -> list[int]:
    """The track's own number first; then stereo, which every device knows, and all that it has."""
    return list(dict.fromkeys(channels for channels in (wanted, 2, most, 1) if 1 <= channels <= min(most, 8)))


def _reason(error: Exception) -> str:
    """What PortAudio says, without its numbers and our class names."""
    texts = [str(part) for part in error.args if isinstance(part, str)]
    text = texts[0] if texts else str(error)
    return text.removeprefix("Error opening Mixer: ").split(" [PaErrorCode")[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Sound libraries write to stderr on their own; here it goes to the debug log.

    stderr is redirected for the whole process: only around calls that are short, and by one thread at a
    time, or the last one would put back what the first one had redirected.
    """
    with _stderr_lock, contextlib.ExitStack() as stack:
        try:
            caught = stack.enter_context(tempfile.TemporaryFile())
            stderr = os.dup(2)
        except OSError:  # no stderr, or no room for what it says: then let it be seen
            yield
            return
        stack.callback(os.close, stderr)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            caught.seek(0)
            for line in caught.read().decode(errors="replace").splitlines():
                log.debug("%s", line)


def _hush_alsa() -> None:
    """ALSA's threads report what is handled anyway (underruns, a vanished server) on stderr at any moment."""
    try:
        alsa = ctypes.CDLL("libasound.so.2")
        # A handler in Python would make the audio thread wait for the interpreter; any C function that
        # ignores its arguments and does nothing serves.
        nothing = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)
        alsa.snd_lib_error_set_handler(nothing)
    except (OSError, AttributeError):
        log.debug("no ALSA to be hushed")
