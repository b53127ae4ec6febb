"""The output that plays into a WAV file: exactly the frames that speakers would get, in the track's own format."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from hocket.adapters.outputs.base import FileUnwritable
from hocket.adapters.outputs.virtual import VirtualOutput
from hocket.audio.events import OutputEvent
from hocket.core.sound import AudioFormat
from hocket.media.wav_header import padding, wav_header


class WavOutput(VirtualOutput):
    """Writes what was played, and only that: a pause, a stall or a seek leaves no silence behind.

    Every `open` after the first with another format, or after `close`, begins the next file:
    `name.wav`, `name-2.wav` and so on.
    """

    def __init__(self, on_event: Callable[[OutputEvent], object], path: str | Path, *, fast: bool = False) -> None:
        super().__init__(on_event, sink=WavSink(Path(path)), fast=fast)


class WavSink:
    """A growing WAV file that is whole at any moment: frames first, then the header that counts them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = 0
        self._file: io.FileIO | None = None
        self._format = AudioFormat(1, 1, 8)
        self._data_bytes = 0

    @property
    def path(self) -> Path:
        """Where the present or next file is."""
        number = self._files if self._file is not None else self._files + 1
        return self._path if number <= 1 else self._path.with_stem(f"{self._path.stem}-{number}")

    def open(self, format: AudioFormat) -> None:
        """Begin a file, over one of that name. Raises FileUnwritable."""
        self.close()
        try:
            file = io.FileIO(self.path, "w")
        except OSError as error:
            raise self._unwritable(error) from None
        self._file = file
        self._files += 1
        self._format = format
        self._data_bytes = 0
        self._put_header()

    def write(self, frames: bytes) -> None:
        """Append. Raises FileUnwritable; what is on disk by then stays a readable file."""
        if self._file is None:
            raise RuntimeError("the file is not open")
        rest = memoryview(frames)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._abandon(error)
        self._data_bytes += len(frames)
        self._put_header()

    def close(self) -> None:
        """Finish the file; harmless when there is none. Raises FileUnwritable."""
        if self._file is None:
            return
        try:
            self._file.write(padding(self._data_bytes))
            self._file.close()
        except OSError as error:
            self._abandon(error)
        self._file = None

    def _put_header(self) -> None:
        if self._file is None:
            return
        try:
            self._file.seek(0)
            self._file.write(wav_header(self._format, self._data_bytes, is_growing=True))
            self._file.seek(0, io.SEEK_END)
        except OSError as error:
            self._abandon(error)

    def _abandon(self, error: OSError) -> NoReturn:
        unwritable = self._unwritable(error)
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()
        raise unwritable from None

    def _unwritable(self, error: OSError) -> FileUnwritable:
        hint = "choose a folder that exists, is yours and has room"
        return FileUnwritable(f"cannot write {self.path}: {error.strerror or error}", hint=hint)
