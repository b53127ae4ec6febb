"""Command lines: flag beats environment beats `hocket.toml` beats default, and a typo is an error.

A root script's module makes one `Program` and hangs its commands on `.app` (a cyclopts App):

    PROGRAM = Program("prime", "Host a cluster on this machine.")

    @PROGRAM.app.default
    def serve(*, listen: str = settings.PRIME) -> None: ...

    def main() -> NoReturn:
        run_program(PROGRAM)

Options that may stand before a command as well as after it (`controlNODE.py --data DIR status`) are
the fields of a dataclass given as `shared`; a command that wants them takes a parameter
`shared: Annotated[ThatDataclass, GIVEN]`.
"""

import difflib
import logging
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError
from cyclopts.config import Dict, Env

import hocket
from hocket.app import logs
from hocket.app.exits import DEBUG_NAME, DONE
from hocket.app.optionnames import OF_ANY_PROGRAM
from hocket.core.errors import ErrorCode, HocketError

PREFIX = "HOCKET_"
CONFIG_FILE = "hocket.toml"
"""Read from the working directory where it exists; `--config FILE` names another."""

SCRIPTS = {
    "prime": "primeNODE.py",
    "plane": "planeNODE.py",
    "control": "controlNODE.py",
    "db": "dbNODE.py",
    "file": "fileNODE.py",
    "user": "user.py",
}
"""Program -> its root script; `hocket.app.PROGRAM` holds it, and `[PROGRAM]` in hocket.toml is its own table."""

GIVEN = Parameter(parse=False)
"""Marks a command's `shared` parameter: filled in by Program, not by the parser."""

_Spelling = Callable[[str], str]
"""How a source spells an option: `max-load` is HOCKET_MAX_LOAD in the environment."""

_NOT_FLAGS = {DEBUG_NAME}
"""Environment names with our prefix that are no flag of any program."""


class UsageError(HocketError):
    """The command line, the environment or hocket.toml asks for something that does not exist."""

    code = ErrorCode.USAGE


@dataclass(frozen=True, slots=True)
class _Common:
    """Options of every program."""

    config: Path | None = None
    "TOML file with options (default: hocket.toml in the working directory, if there is one)."

    verbose: bool = False
    "Log more."

    quiet: bool = False
    "Log warnings and errors only."


@dataclass(frozen=True, slots=True)
class _NoShared:
    """For programs whose options all belong to one command."""


class Program:
    """One root script's command line. Calling it parses, runs the command and returns the exit code."""

    def __init__(self, name: str, text: str, *, shared: type[Any] = _NoShared, log_level: int = logging.INFO) -> None:
        self.name = name
        self._log_level = log_level
        self.app = App(
            name=SCRIPTS[name],
            help=text,
            version=hocket.__version__,
            default_parameter=Parameter(negative=()),
            result_action="return_value",
            exit_on_error=False,
            print_error=False,
        )
        self.app.meta.default(self._launcher(shared))

    def _launcher(self, shared_type: type[Any]) -> Any:
        """The function that reads what is common to all commands, then finds and runs one."""
        defaults = shared_type()
        has_shared = shared_type is not _NoShared
        common_defaults = _Common()

        def launch(
            *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
            shared: Annotated[shared_type, Parameter(name="*", show=has_shared)] = defaults,  # type: ignore[valid-type]
            common: Annotated[_Common, Parameter(name="*")] = common_defaults,
        ) -> int:
            logs.set_up_logs(self._level(common))
            command, bound, ignored = self.app.parse_args(tokens)
            result = command(*bound.args, **bound.kwargs, **dict.fromkeys(ignored, shared))
            return result if isinstance(result, int) else DONE

        return launch

    def _level(self, common: _Common) -> int:
        if common.verbose:
            return logging.DEBUG
        return logging.WARNING if common.quiet else self._log_level

    def __call__(self, arguments: Sequence[str] | None = None) -> int:
        """Parse and run; sys.argv by default. Raises UsageError and whatever the command raises."""
        tokens = list(sys.argv[1:] if arguments is None else arguments)
        path = _config_path(tokens)
        self._check(_environment_options(), "environment", _as_environment)
        self.app.config = (
            Env(PREFIX, command=False),
            Dict(self._own_table(path), source=str(path), allow_unknown=True, use_commands_as_keys=False),
        )
        try:
            return int(self.app.meta(tokens) or DONE)
        except CycloptsError as error:
            raise UsageError(_without_layout(str(error)) + self._suggestion(error), hint=self._help_hint()) from error

    def option_names(self) -> set[str]:
        """Every long option of every command, without its dashes."""
        return {
            name.removeprefix("--")
            for app in (self.app.meta, *_with_commands(self.app))
            if app.default_command is not None
            for argument in app.assemble_argument_collection()
            for name in argument.names
            if name.startswith("--")
        }

    def _own_table(self, path: Path | None) -> dict[str, Any]:
        """What the file says to this program: the top level, and over it the table with its name."""
        if path is None:
            return {}
        content = _read_toml(path)
        tables = {key: value for key, value in content.items() if key in SCRIPTS and isinstance(value, dict)}
        top = _normal({key: value for key, value in content.items() if key not in tables})
        own = _normal(tables.get(self.name, {}))
        self._check(top, str(path), str)
        self._refuse_unknown(own, self.option_names(), f"{path}, [{self.name}]", str)
        return {**top, **own}

    def _check(self, options: Iterable[str], source: str, spelled: _Spelling) -> None:
        """Refuse options that no program has. Those of other programs are passed over in silence."""
        wanted = set(options)
        if wanted and (unknown := wanted - self.option_names()):  # to list ours takes a while
            self._refuse_unknown(unknown, self.option_names() | OF_ANY_PROGRAM, source, spelled)

    def _refuse_unknown(self, options: Iterable[str], known: set[str], source: str, spelled: _Spelling) -> None:
        for option in sorted(set(options) - known):
            raise UsageError(
                f"{source}: there is no setting {spelled(option)}{_did_you_mean(option, known, spelled)}",
                hint=self._help_hint(),
            )

    def _suggestion(self, error: CycloptsError) -> str:
        """An option before the command reads as an unknown command to the parser; say what was meant."""
        if not isinstance(error, UnknownCommandError) or not error.unused_tokens:
            return ""
        token = error.unused_tokens[0]
        if not token.startswith("--"):
            return ""
        return _did_you_mean(token[2:].partition("=")[0], self.option_names(), "--{}".format)

    def _help_hint(self) -> str:
        return f"{SCRIPTS[self.name]} --help lists what there is"


def _with_commands(app: App) -> Iterator[App]:
    """An app and all its commands, their commands included; --help and --version are none of ours."""
    yield app
    for name in app:
        if not name.startswith("-"):
            yield from _with_commands(app[name])


def _config_path(tokens: Sequence[str]) -> Path | None:
    """The file that --config, HOCKET_CONFIG or the working directory names, in this order.

    It is looked for ahead of the parser, whose defaults it holds.
    """
    for index, token in enumerate(tokens):
        if token == "--":
            break
        if token == "--config" and index + 1 < len(tokens):
            return Path(tokens[index + 1])
        if token.startswith("--config="):
            return Path(token.partition("=")[2])
    if named := os.environ.get(f"{PREFIX}CONFIG"):
        return Path(named)
    usual = Path(CONFIG_FILE)
    return usual if usual.is_file() else None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="give --config an existing file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error


def _environment_options() -> set[str]:
    names = {name for name in os.environ if name.startswith(PREFIX)} - _NOT_FLAGS
    return {name.removeprefix(PREFIX).lower().replace("_", "-") for name in names}


def _as_environment(option: str) -> str:
    return PREFIX + option.upper().replace("-", "_")


def _normal(options: dict[str, Any]) -> dict[str, Any]:
    """Option names as flags spell them: max_load and max-load are one."""
    return {name.replace("_", "-"): value for name, value in options.items()}


def _did_you_mean(word: str, known: Iterable[str], spelled: _Spelling) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f": did you mean {spelled(close[0])}?" if close else ""


def _without_layout(text: str) -> str:
    return " ".join(text.split())
