"""How every program ends: one exit code, and one or two plain lines on stderr if it went wrong."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from hocket.core.errors import ErrorCode, HocketError

DONE = 0
BUG = 1
USAGE = 2
REFUSED = 3
UNREACHABLE = 4
NOT_FOUND = 5
FULL = 6
PLAYBACK_LOST = 7
INTERRUPTED = 130
"""Ctrl-C in a program that does not handle it: what a shell expects (128 + SIGINT)."""

DEBUG_NAME = "HOCKET_DEBUG"

CHILD_FLAG = "--child"
"""How a control node starts dbNODE.py and fileNODE.py; their settings come on stdin."""

EXIT_CODES = {
    ErrorCode.BUG: BUG,
    ErrorCode.USAGE: USAGE,
    ErrorCode.LOGIN_REFUSED: REFUSED,
    ErrorCode.TOO_MANY_ATTEMPTS: REFUSED,
    ErrorCode.TICKET_REFUSED: REFUSED,
    ErrorCode.TOKEN_REFUSED: REFUSED,
    ErrorCode.NOT_ALLOWED: REFUSED,
    ErrorCode.FINGERPRINT_CHANGED: REFUSED,
    ErrorCode.CERTIFICATE_REFUSED: REFUSED,
    ErrorCode.SESSION_ENDED: REFUSED,
    ErrorCode.VERSION_TOO_OLD: REFUSED,
    ErrorCode.VERSION_TOO_NEW: REFUSED,
    # What answered speaks no Hocket: nobody is reachable there, whoever it is.
    ErrorCode.MALFORMED: UNREACHABLE,
    ErrorCode.TOO_LARGE: UNREACHABLE,
    ErrorCode.UNKNOWN_KIND: UNREACHABLE,
    ErrorCode.PROTOCOL: UNREACHABLE,
    ErrorCode.TOO_MANY_REQUESTS: REFUSED,
    ErrorCode.NOT_REACHABLE: UNREACHABLE,
    ErrorCode.TIMED_OUT: UNREACHABLE,
    ErrorCode.CONNECTION_LOST: UNREACHABLE,
    ErrorCode.TRACK_MISSING: NOT_FOUND,
    ErrorCode.TRACK_UNPLAYABLE: NOT_FOUND,
    ErrorCode.TRACK_DAMAGED: PLAYBACK_LOST,
    ErrorCode.AMBIGUOUS: USAGE,
    ErrorCode.NODE_MISSING: NOT_FOUND,
    ErrorCode.USER_MISSING: NOT_FOUND,
    ErrorCode.USER_EXISTS: REFUSED,
    ErrorCode.BAD_NAME: USAGE,
    ErrorCode.BAD_PASSWORD: USAGE,
    ErrorCode.CLUSTER_FULL: FULL,
    ErrorCode.NODE_FULL: FULL,
    ErrorCode.DRAINING: FULL,
    # This machine refuses to let the program start.
    ErrorCode.PORT_BUSY: REFUSED,
    ErrorCode.DATA_IN_USE: REFUSED,
    ErrorCode.DATA_UNWRITABLE: REFUSED,
    ErrorCode.RECORDS_BROKEN: REFUSED,
    ErrorCode.RECORDS_UNREACHABLE: UNREACHABLE,
    ErrorCode.MUSIC_UNREADABLE: REFUSED,
    ErrorCode.SOUND_DEVICE: NOT_FOUND,
    ErrorCode.PLAYBACK_LOST: PLAYBACK_LOST,
    ErrorCode.ILLEGAL_TRANSITION: BUG,
    ErrorCode.ID_IN_USE: REFUSED,
    ErrorCode.ID_COPIED: REFUSED,
    ErrorCode.PARENT_MISSING: NOT_FOUND,
    # There could be room, but the machine cannot make it now.
    ErrorCode.SPAWN_FAILED: FULL,
    ErrorCode.BACKING_OFF: FULL,
    ErrorCode.INVITE_REFUSED: REFUSED,
    ErrorCode.QUEUE_FULL: REFUSED,
    ErrorCode.CHUNK_MISMATCH: PLAYBACK_LOST,
    ErrorCode.DISK_FULL: REFUSED,
    ErrorCode.MUSIC_UNWRITABLE: REFUSED,
    ErrorCode.SOURCE_LIES: PLAYBACK_LOST,
    ErrorCode.DATA_MISSING: NOT_FOUND,
    ErrorCode.DATA_BROKEN: REFUSED,
    ErrorCode.RECORDS_TOO_NEW: REFUSED,
}
"""Every ErrorCode's exit code; the contract's list is in docs/architecture.md."""


def run_script(program: str) -> NoReturn:
    """What a root script does: run `hocket.app.PROGRAM.main()` and end with its exit code."""
    run_program(lambda: _main_of(program)())


def _main_of(program: str) -> Callable[[], int | None]:
    if sys.argv[1:] == [CHILD_FLAG]:  # spawned: starts without the command-line library
        from hocket.app.child import child_main

        return lambda: child_main(program)
    main: Callable[[], int | None] = importlib.import_module(f"hocket.app.{program}").main
    return main


def run_program(main: Callable[[], int | None]) -> NoReturn:
    """Run a program and end the process with the contract's exit code.

    `main` returns its exit code (None for 0) or raises. A HocketError becomes `error: TEXT` and
    `hint: WHAT TO DO` on stderr; anything else is a bug and says where to report it. Tracebacks are
    shown only with HOCKET_DEBUG=1.
    """
    try:
        code = main() or DONE
        sys.stdout.flush()
    except SystemExit:
        raise
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output (head, less) has seen enough. The interpreter flushes stdout once
        # more on its way out, and that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    except BaseException as error:
        code = explain(error)
    sys.exit(code)


def explain(error: BaseException) -> int:
    """Print an error in plain words to stderr; returns the exit code that stands for it."""
    known = _known_error(error) or _missing_library(error)
    if os.environ.get(DEBUG_NAME, "") not in ("", "0"):
        traceback.print_exception(error)
    if known is not None and EXIT_CODES.get(known.code, BUG) != BUG:
        _say(known.text, known.hint)
        return EXIT_CODES[known.code]
    _say(
        f"this is a bug in Hocket: {type(error).__name__}: {error}{_place(error)}",
        f"run it again with {DEBUG_NAME}=1 and report what it prints (README.md, 'Reporting a bug')",
    )
    return BUG


def _say(text: str, hint: str) -> None:
    print(f"error: {text}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def _known_error(error: BaseException) -> HocketError | None:
    """The HocketError itself, or the first one of a group that holds nothing else."""
    if isinstance(error, HocketError):
        return error
    if isinstance(error, BaseExceptionGroup):
        members = [_known_error(member) for member in error.exceptions]
        if None not in members:
            return members[0]
    return None


def _missing_library(error: BaseException) -> HocketError | None:
    """The usual slip: started by an interpreter that the project's libraries are not installed for."""
    if not isinstance(error, ModuleNotFoundError) or (error.name or "").startswith("hocket"):
        return None
    return HocketError(
        f"the library {error.name} is not installed for {sys.executable}",
        code=ErrorCode.USAGE,
        hint="run `make run` (or `make node`) first, then start it with .venv/bin/python",
    )


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" (at {frames[-1].filename}:{frames[-1].lineno})" if frames else ""
