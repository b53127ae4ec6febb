"""Rules of the house that no linter holds: short modules and functions, and no file I/O on the pure floors."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.kit.processes import ROOT

MODULE_LINES = 500
FUNCTION_LINES = 50
PURE_FLOORS = ("core", "wire", "control", "auth", "media", "audio", "relay")
TOOLS = ("hocket/wire/tables.py",)
"""Writes the tables of docs/protocol.md when a person asks for it; no program imports it."""

FORBIDDEN_CALLS = {
    *("open", "input", "print"),
    *("read_text", "read_bytes", "write_text", "write_bytes"),
    *("now", "utcnow", "today"),
}
"""What reads a file, a terminal or a clock without an import that import-linter would see."""


def _modules() -> Iterator[tuple[str, ast.AST, int]]:
    """Path, syntax tree and number of lines of every module."""
    for path in sorted((ROOT / "hocket").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        yield str(path.relative_to(ROOT)), ast.parse(text), text.count("\n")


def _span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _lines_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """A command's docstring is its help page, which may be long."""
    documented = ast.get_docstring(function, clean=False) is not None
    return _span(function) - (_span(function.body[0]) if documented else 0)


def _forbidden_calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            if name in FORBIDDEN_CALLS:
                yield f"{node.lineno}: {name}()"


def test_modules_are_short() -> None:
    assert [f"{path}: {lines} lines" for path, _, lines in _modules() if lines > MODULE_LINES] == []


def test_functions_are_short() -> None:
    long = [
        f"{path}:{node.lineno}: {node.name} has {lines} lines"
        for path, tree, _ in _modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := _lines_without_docstring(node)) > FUNCTION_LINES
    ]
    assert long == []


def test_pure_floors_touch_no_file_terminal_or_clock() -> None:
    guilty = [
        f"{path}:{call}"
        for path, tree, _ in _modules()
        if Path(path).parts[1] in PURE_FLOORS and path not in TOOLS
        for call in _forbidden_calls(tree)
    ]
    assert guilty == []


def test_forbidden_calls_are_found() -> None:
    code = "with open('x') as f:\n    datetime.now()\n    f.write_bytes(b'')\n    f.close()"
    assert set(_forbidden_calls(ast.parse(code))) == {"1: open()", "2: now()", "3: write_bytes()"}
