"""Fixtures for this room."""

from pathlib import Path

import pytest

from tests.adapters.transfer_kit import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
