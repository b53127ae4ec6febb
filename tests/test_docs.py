"""What README.md and docs/ say is true: links lead somewhere, commands parse, flags, files and error texts exist."""

import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from hocket.app import optionnames, settingstable
from hocket.app.options import SCRIPTS
from tests.kit.processes import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
GENERATED = ROOT / "docs" / "protocol.md"
NAMES = [page.name for page in PAGES]
SETTINGS = ROOT / "docs" / "settings.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^ {4}\S.*\n)+", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_SCRIPT = re.compile(r"\b(" + "|".join(map(re.escape, SCRIPTS.values())) + r")((?:\s[^\n|]*)?)$")
_PATH = re.compile(r"(?:hocket|docs|tests|benchmarks|scripts|locks|\.ci)(?:/[\w.-]+)+/?|[\w-]+\.(?:md|toml)")
_NUMBERS = {"N", "SECONDS", "A-B"}


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _prose(page: Path) -> str:
    """Without blocks of code."""
    return _INDENTED.sub("", _FENCE.sub("", _text(page)))


def _blocks(page: Path) -> Iterator[str]:
    """The lines of all blocks of shell commands."""
    text = _text(page)
    for block in _INDENTED.findall(_FENCE.sub("", text)):
        yield from (line.strip() for line in block.splitlines())
    for language, block in _FENCE.findall(text):
        if language in ("sh", "bash", "shell"):
            yield from (line.strip() for line in block.splitlines())


def _spans(page: Path) -> list[str]:
    return _SPAN.findall(_prose(page))


def _slug(heading: str) -> str:
    """As GitHub makes anchors."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    dead = []
    for target in _LINK.findall(_prose(page)):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in map(_slug, _HEADING.findall(_text(there)))):
            dead.append(target)
    assert dead == []


def _commands(page: Path) -> Iterator[str]:
    for piece in [*_blocks(page), *_spans(page)]:
        # One pipe, one command each; what stands behind a comment sign is for people.
        for command in re.split(r" \| ", re.sub(r"\s#\s.*", "", piece)):
            if found := _SCRIPT.search(command):
                yield f"{found[1]}{found[2]}"


def _tokens(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError:
        words = text.split()
    words = [word for word in words if word not in ("…", "...", "COMMAND")]
    return [{"A-B": "1-2"}.get(word, "1") if word in _NUMBERS else word for word in words]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_parse(page: Path) -> None:
    """Each command line is one that the program takes. Nothing is run."""
    programs = {script: settingstable.program_of(name) for name, script in SCRIPTS.items()}
    wrong = []
    for command in _commands(page):
        script, *arguments = _tokens(command)
        app = programs[script].app
        try:
            launch, bound, _ignored = app.meta.parse_args(arguments, print_error=False, exit_on_error=False)
            if launch is app.meta.default_command and bound.args:
                app.parse_args(bound.args, print_error=False, exit_on_error=False)
        except CycloptsError as error:
            wrong.append(f"{command}: {' '.join(str(error).split())}")
    assert wrong == []


def test_a_wrong_command_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Run `controlNODE.py statsu`, or\n\n    primeNODE.py --lsten 1  # so\n\nand [so](nowhere.md#x).\n")
    with pytest.raises(AssertionError, match=r"(?s)contains 2 more items.*lsten"):
        test_commands_parse(page)
    with pytest.raises(AssertionError, match=r"nowhere\.md"):
        test_links_lead_somewhere(page)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_flags_exist(page: Path) -> None:
    """Those that stand alone: `--max-load 4`."""
    known = {"help", "version", "child"}.union(*(settingstable.program_of(name).option_names() for name in SCRIPTS))
    flags = {span[2:].split()[0] for span in _spans(page) if span.startswith("--")}
    assert flags - known == set()


@pytest.mark.parametrize("page", [page for page in PAGES if page != GENERATED], ids=lambda page: page.name)
def test_files_exist(page: Path) -> None:
    """In spans: paths from the root, from the page, or below hocket/ as the architecture page writes them."""
    missing = []
    for span in _spans(page):
        if _PATH.fullmatch(span) and span != "hocket.toml":
            places = [ROOT / span, page.parent / span]
            if not any(place.exists() for place in places):
                missing.append(span)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_and_benchmarks_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", _text(ROOT / "Makefile"), re.MULTILINE))
    asked: set[str] = set()
    for piece in [*_blocks(page), *_spans(page)]:
        if found := re.match(r"make (?:-C \S+ )?((?:[a-z][a-z-]* ?)+)", piece):
            asked |= set(found[1].split())
    assert asked - targets == set()
    measured = set(re.findall(r"python -m benchmarks\.([a-z_0-9]+)", _text(page)))
    assert {name for name in measured if not (ROOT / "benchmarks" / f"{name}.py").exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_examples_of_the_settings_file_hold(page: Path) -> None:
    every = set[str]().union(*(settingstable.program_of(name).option_names() for name in SCRIPTS))
    for language, block in _FENCE.findall(_text(page)):
        if language != "toml":
            continue
        for key, value in tomllib.loads(block).items():
            if isinstance(value, dict):
                assert set(value) <= settingstable.program_of(key).option_names()
            else:
                assert key in every


def test_the_settings_page_is_up_to_date() -> None:
    assert settingstable.with_tables(_text(SETTINGS)) == _text(SETTINGS), "run `make docs`"
    names = Path(optionnames.__file__).read_text(encoding="utf-8")
    assert settingstable.with_names(names) == names, "run `make docs`"


def _rows(text: str, heading: str) -> Iterator[list[str]]:
    """The cells of all table rows below a heading."""
    section = re.split(r"^## ", text.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]
    for line in section.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_readmes_settings_have_their_real_defaults() -> None:
    real = {cells[0]: cells[1] for cells in _rows(_text(SETTINGS), "primeNODE.py")}
    shown = {cells[0]: cells[1] for cells in list(_rows(_text(ROOT / "README.md"), "Settings"))[1:]}
    assert len(shown) >= 5
    assert shown == {flag: real[flag] for flag in shown}


def test_the_readmes_error_texts_are_what_the_programs_say() -> None:
    source = "\n".join(_text(path) for path in (ROOT / "hocket").rglob("*.py"))
    source = re.sub(r'"\s*\n\s*f?"', "", source)  # texts that stand on two lines
    cells = [cells[0] for cells in list(_rows(_text(ROOT / "README.md"), "When something goes wrong"))[1:]]
    texts = [text for cell in cells for text in _SPAN.findall(cell)]
    assert len(texts) >= 10
    system = {"address already in use"}  # the system's own words
    parts = [part.strip() for text in texts for part in text.split("…") if part.strip()]
    assert [part for part in parts if part not in source and part not in system] == []


def test_the_architecture_page_names_every_room() -> None:
    page = _text(ROOT / "docs" / "architecture.md")
    rooms = [
        str(path.parent.relative_to(ROOT))
        for path in sorted((ROOT / "hocket").rglob("__init__.py"))
        if path.parent != ROOT / "hocket"
    ]
    assert [room for room in rooms if f"`{room}`" not in page] == []


def test_the_service_units_are_valid(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    units = sorted((ROOT / "docs" / "systemd").glob("*.service"))
    assert len(units) == 2
    for unit in units:
        text = _text(unit)
        command = next(line for line in text.splitlines() if line.startswith("ExecStart=")).split()
        script = Path(command[1]).name
        settingstable.program_of({name: key for key, name in SCRIPTS.items()}[script]).app.parse_args(command[2:])
        # The verifier wants programs and users that are there.
        here = text.replace(command[0].removeprefix("ExecStart="), "/bin/sh").replace("User=hocket", "User=root")
        (tmp_path / unit.name).write_text(here)
        checked = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", tmp_path / unit.name], capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")
