"""The protocol page's tables are made from the declarations."""

from pathlib import Path

import pytest

from hocket.wire import limits, tables
from hocket.wire.messages import declared

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert tables.with_tables(page) == page


def test_every_message_has_a_row_and_a_meaning() -> None:
    rows = list(tables.message_rows())[2:]
    assert len(rows) == len(declared())
    assert all(len(row.split("|")[7].strip()) > 4 for row in rows)


def test_every_limit_has_a_reason() -> None:
    names = {name for name in vars(limits) if name.isupper()}
    rows = list(tables.limit_rows())[2:]
    assert {row.split("`")[1] for row in rows} == names
    reasons = {row.split("`")[1]: row.split("|")[3].strip() for row in rows}
    assert [name for name, reason in reasons.items() if not reason] == []


def test_drift_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8").replace("| 46 | Read |", "| 46 | Write |"), encoding="utf-8")
    assert tables.main(["--check", str(page)]) == 1
    assert tables.main([str(page)]) == 0
    assert tables.main(["--check", str(page)]) == 0


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="generated: messages"):
        tables.with_tables("# nothing here")
