"""Every file of a music folder that is audio, with what the disk says of it, but nothing read yet."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hocket.adapters.library.index import Entry
from hocket.adapters.library.reading import cannot_read, is_wav, other_audio, unplayable
from hocket.core.errors import ErrorCode, HocketError
from hocket.media.paths import MAX_DEPTH, is_hidden

Found = tuple[str, os.stat_result] | Entry
"""(path, state) of a WAV file, or the entry of what cannot play."""


def music_unreadable(music_dir: Path, error: OSError) -> HocketError:
    """The error for a music folder that the system refuses as a whole."""
    return HocketError(
        f"the music folder {music_dir} {cannot_read(error)}",
        code=ErrorCode.MUSIC_UNREADABLE,
        hint="name another one with --music",
    )


class Walk:
    """Hidden files are passed over; links that lead out of the folder are listed, not followed."""

    def __init__(self, music_dir: Path) -> None:
        """Raises HocketError (MUSIC_UNREADABLE)."""
        self._music_dir = music_dir
        try:
            self._inside = os.path.realpath(music_dir, strict=True) + os.sep
            with os.scandir(music_dir):
                pass
        except OSError as error:
            raise music_unreadable(music_dir, error) from None

    def below(self, path: str = "") -> Iterator[Found]:
        """What there is at a path relative to the music folder: below a folder, or the file itself."""
        if path:
            yield from self._one(path)
        else:
            yield from self._folder("")

    def _one(self, path: str) -> Iterator[Found]:
        *parents, last = path.split("/")
        if any(is_hidden(part) for part in (*parents, last)):
            return
        try:
            state = os.lstat(self._music_dir / path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            yield unplayable(path, cannot_read(error))
            return
        yield from self._at(path, state.st_mode)

    def _folder(self, folder: str) -> Iterator[Found]:
        if folder.count("/") >= MAX_DEPTH:
            yield unplayable(folder, f"more than {MAX_DEPTH} folders deep: use fewer folders")
            return
        try:
            with os.scandir(self._music_dir / folder) as rows:
                found = sorted((row.name, row.is_symlink(), row.is_dir(follow_symlinks=False)) for row in rows)
        except FileNotFoundError:
            return
        except OSError as error:
            yield unplayable(folder or ".", cannot_read(error))
            return
        for name, is_link, is_folder in found:
            path = f"{folder}/{name}" if folder else name
            if is_hidden(name):
                continue
            if is_folder:
                yield from self._folder(path)
            else:
                yield from self._at(path, stat.S_IFLNK if is_link else stat.S_IFREG)

    def _at(self, path: str, mode: int) -> Iterator[Found]:
        if stat.S_ISDIR(mode):
            yield from self._folder(path)
            return
        problem = other_audio(path)
        try:
            if stat.S_ISLNK(mode):
                problem = self._refused_link(path) or problem
            if problem or is_wav(path):
                state = os.stat(self._music_dir / path)  # noqa: PTH116 - twice as fast as Path.stat
                yield unplayable(path, problem, state) if problem else (path, state)
        except FileNotFoundError:
            if stat.S_ISLNK(mode) and is_wav(path):
                yield unplayable(path, "a link to a file that is not there")
        except OSError as error:
            yield unplayable(path, cannot_read(error))

    def _refused_link(self, path: str) -> str:
        """Why a link is not followed; empty if it may be, or if it is nothing to list."""
        target = os.path.realpath(self._music_dir / path, strict=True)
        is_outside = not (target + os.sep).startswith(self._inside)
        if os.path.isdir(target):  # noqa: PTH112
            # One that stays inside leads to what is listed anyway, or round in circles.
            return "a link to a folder outside of the music folder: copy the music in" if is_outside else ""
        if is_outside and (is_wav(path) or other_audio(path)):
            return "a link out of the music folder: copy the file in"
        return ""
