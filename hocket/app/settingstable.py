"""The tables of docs/settings.md, made from the command lines so that they cannot drift, and `hocket.app.optionnames`.

python -m hocket.app.settingstable docs/settings.md           write them, the tables between the markers
python -m hocket.app.settingstable --check docs/settings.md   exit 1 if one of both is not up to date
"""

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclopts import App
from cyclopts.argument import Argument

from hocket.app import optionnames
from hocket.app.options import SCRIPTS, Program

BEGIN = "<!-- generated: {} -->"
END = "<!-- end -->"
ANYWHERE = "any"


def program_of(name: str) -> Program:
    """A root script's command line."""
    program: Program = importlib.import_module(f"hocket.app.{name}").PROGRAM
    return program


def rows(name: str) -> Iterator[str]:
    """One table row for every command and every flag of a program; what all programs have is left out."""
    program = program_of(name)
    commands = dict(_commands(program.app))
    if commands:
        yield "| command | does |"
        yield "|---|---|"
        for words, app in commands.items():
            yield f"| `{_usage(words, app)}` | {_cell(_first_sentence(app))} |"
        yield ""
    yield "| flag | for | default | meaning |" if commands else "| flag | default | meaning |"
    yield "|---|---|---|---|" if commands else "|---|---|---|"
    sources = {ANYWHERE if commands else "": program.app.meta, "": program.app} | commands
    for words, app in sources.items():
        for argument in _flags(app):
            column = f"| {words or 'no command'} " if commands else ""
            yield f"| `{argument.name}` {column}| {_default(argument)} | {_cell(argument.parameter.help or '')} |"


def common_rows() -> Iterator[str]:
    """What every program has."""
    yield "| flag | default | meaning |"
    yield "|---|---|---|"
    for argument in _flags(program_of("prime").app.meta, common=True):
        yield f"| `{argument.name}` | {_default(argument)} | {_cell(argument.parameter.help or '')} |"


def _commands(app: App, words: str = "") -> Iterator[tuple[str, App]]:
    for word in app:
        if not word.startswith("-"):
            full = f"{words} {word}".strip()
            if app[word].default_command is not None:
                yield full, app[word]
            yield from _commands(app[word], full)


def _flags(app: App, common: bool = False) -> Iterator[Argument]:
    if app.default_command is None:
        return
    for argument in app.assemble_argument_collection(parse_docstring=True):
        is_common = argument.name in ("--config", "--verbose", "--quiet")
        if argument.name.startswith("--") and argument.show and not _is_word(argument) and is_common == common:
            yield argument


def _usage(words: str, app: App) -> str:
    shown = {True: "{}...", False: "{}"}
    given = [
        shown[argument.field_info.kind is inspect.Parameter.VAR_POSITIONAL].format(argument.name.strip("-").upper())
        for argument in app.assemble_argument_collection()
        if _is_word(argument)
    ]
    return " ".join([words, *given])


def _is_word(argument: Argument) -> bool:
    """Whether it is given without a flag."""
    return argument.field_info.kind is not inspect.Parameter.KEYWORD_ONLY


def _first_sentence(app: App) -> str:
    return (inspect.cleandoc(app.help or "").splitlines() or [""])[0]


def _default(argument: Argument) -> str:
    default: Any = argument.field_info.default
    if default is True or default is False:
        return "yes" if default else "no"
    if default is None or default is inspect.Parameter.empty or default == "":
        return "-"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def with_tables(page: str) -> str:
    """The page with the text between its markers replaced. Raises ValueError when a marker is missing."""
    for name in ("common", *SCRIPTS):
        begin = BEGIN.format(name)
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(END)
        if not found or not ended:
            raise ValueError(f"the page lacks {begin} ... {END}")
        page = (
            f"{before}{begin}\n\n" + "\n".join(common_rows() if name == "common" else rows(name)) + f"\n\n{END}{after}"
        )
    return page


def with_names(module: str) -> str:
    """The text of `hocket.app.optionnames` with the names that there are now."""
    head, quotes, rest = module.partition('_NAMES = """\n')
    _, closing, tail = rest.partition('"""')
    names = sorted(set[str]().union(*(program_of(name).option_names() for name in SCRIPTS)))
    return head + quotes + "".join(f"{name}\n" for name in names) + closing + tail


def main(arguments: list[str]) -> int:
    """Write or check; the exit code."""
    check = "--check" in arguments
    page = Path(next(argument for argument in arguments if not argument.startswith("--")))
    outdated = False
    for path, made in ((page, with_tables), (Path(optionnames.__file__), with_names)):
        text = path.read_text(encoding="utf-8")
        fresh = made(text)
        if not check:
            path.write_text(fresh, encoding="utf-8")
        elif fresh != text:
            sys.stderr.write(f"{path} is out of date: run `make docs`\n")
            outdated = True
    return int(outdated)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
