"""A PulseAudio daemon of the test's own, whose only device is a null sink that can be recorded.

What reaches the sink is what a person would hear, so that playback can be checked sample by sample
on a machine without a sound card.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.kit.needs import need_programs
from tests.kit.processes import Program

SINK = "rec"
_ASOUNDRC = "pcm.!default pulse\nctl.!default pulse\n"


@dataclass(frozen=True, slots=True)
class Pulse:
    """A running daemon. Give `env` to the program that shall play through it."""

    env: Mapping[str, str]
    rate_hz: int
    channels: int
    sample_format: str  # as pactl names it: s16le, s24le, s32le, float32le
    pid: int

    @contextmanager
    def recording(self) -> Iterator["Recording"]:
        """Record all that the sink plays while the context lasts; it records already when it is entered."""
        command = [
            "parec",
            f"--device={SINK}.monitor",
            "--raw",
            f"--format={self.sample_format}",
            f"--rate={self.rate_hz}",
            f"--channels={self.channels}",
            "--latency-msec=20",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(self.env)) as recorder:
            assert recorder.stdout is not None
            recording = Recording(recorder.stdout)
            try:
                recording.wait_bytes(1)  # the monitor sends silence: the first bytes tell that it listens
                yield recording
            finally:
                recorder.terminate()
                recording.join()


class Recording:
    """What was played so far, as interleaved samples in the sink's format."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._data = bytearray()
        self._grown = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(pipe,), name="recorder")
        self._thread.start()

    def _read(self, pipe: IO[bytes]) -> None:
        while piece := pipe.read1(65536):  # type: ignore[attr-defined]
            with self._grown:
                self._data += piece
                self._grown.notify_all()
        with self._grown:
            self._ended = True
            self._grown.notify_all()

    @property
    def data(self) -> bytes:
        with self._grown:
            return bytes(self._data)

    def wait_bytes(self, size_bytes: int, timeout_s: float = 60.0) -> None:
        """Until so much was recorded in all. Raises AssertionError when the time is up."""
        with self._grown:
            self._grown.wait_for(lambda: len(self._data) >= size_bytes or self._ended, timeout_s)
            assert len(self._data) >= size_bytes, f"only {len(self._data)} bytes were recorded in {timeout_s} s"

    def wait_for(self, samples: bytes, timeout_s: float = 60.0) -> int:
        """Until these very bytes were recorded; returns where they begin.

        Raises AssertionError, with the longest beginning of them that was found, when the time is up.
        """
        deadline = time.monotonic() + timeout_s
        with self._grown:
            while (found := self._data.find(samples)) < 0:
                if self._ended or not self._grown.wait(deadline - time.monotonic()):
                    raise AssertionError(f"played differently: {self._longest(samples)} of {len(samples)} bytes match")
        return found

    def _longest(self, samples: bytes) -> int:
        low, high = 0, len(samples)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if samples[:middle] in self._data else (low, middle - 1)
        return low

    def join(self) -> None:
        self._thread.join(10.0)


@contextmanager
def pulse_daemon(
    folder: Path, rate_hz: int = 44_100, channels: int = 2, sample_format: str = "s16le"
) -> Iterator[Pulse]:
    """Run a daemon whose socket and files are in an empty folder. Skips the test where PulseAudio is missing."""
    need_programs("pulseaudio", "parec", why="recording what is played")
    socket = folder / "native"
    assert len(str(socket)) < 100, "a UNIX socket's path has 107 bytes at most: use a shorter folder"
    (folder / ".asoundrc").write_text(_ASOUNDRC, encoding="utf-8")
    env = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "PULSE_RUNTIME_PATH": str(folder),
        "PULSE_SERVER": f"unix:{socket}",
    }
    command = [
        "pulseaudio",
        "-n",
        "--daemonize=no",
        "--exit-idle-time=-1",
        "--use-pid-file=no",
        "--log-target=stderr",
        "--log-level=info",
        "-L",
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        "-L",
        f"module-null-sink sink_name={SINK} format={sample_format} rate={rate_hz} channels={channels} norewinds=1",
    ]
    with Program(command, env=env) as daemon:
        daemon.wait_error_line("Daemon startup complete")
        yield Pulse(env, rate_hz, channels, sample_format, daemon.pid)
        daemon.stop()


def python_env(pulse: Pulse) -> dict[str, str]:
    """Environment for a Python program that shall play through the daemon."""
    return {**pulse.env, "PATH": f"{Path(sys.executable).parent}:{pulse.env['PATH']}"}
