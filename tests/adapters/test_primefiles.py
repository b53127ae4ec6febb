"""What a prime leaves for its next start."""

from pathlib import Path

import pytest

from hocket.adapters.datafolder import DataFolder
from hocket.adapters.primefiles import (
    ADDRESS_FILE,
    keep_address,
    keep_advertised,
    last_address,
    last_advertised,
)
from hocket.core.address import HostPort


def test_the_address_is_kept(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "data") as folder:
        assert last_address(folder) is None
        keep_address(folder, HostPort("::1", 50001))
        assert last_address(folder) == HostPort("::1", 50001)


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"garbage\n", b"\n", b"host:99999\n"])
def test_a_damaged_address_counts_as_none(tmp_path: Path, damage: bytes) -> None:
    with DataFolder.open(tmp_path / "data") as folder:
        folder.write(ADDRESS_FILE, damage)
        assert last_address(folder) is None


def test_what_others_were_told_is_kept_until_they_are_told_otherwise(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "data") as folder:
        assert last_advertised(folder) == ""
        for host in ("music.example", "2001:db8::7", ""):
            keep_advertised(folder, host)
            assert last_advertised(folder) == host
