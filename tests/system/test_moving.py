"""Backups and moves as docs/operations.md has them: a cluster is what its data folder's few lasting files are."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.kit.cluster import Cluster
from tests.system.kit import make_song

LASTING = ("authority.key", "node.id")
"""What docs/operations.md says to back up, beside the accounts."""


def test_a_cluster_from_its_backup_on_another_address(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "music").mkdir(parents=True)
    make_song(old / "music" / "Song.wav", 1)
    backup = new / "data"
    backup.mkdir(parents=True)
    with Cluster(old) as cluster:
        assert cluster.control("users", "add", "Anna", "--password-stdin", stdin="anna's words\n").returncode == 0
        plane = cluster.plane("one", token=cluster.token())
        [before] = cluster.nodes("plane")
        for name in LASTING:
            shutil.copy(cluster.data / name, backup)
        with (
            closing(sqlite3.connect(cluster.data / "records.sqlite")) as live,
            closing(sqlite3.connect(backup / "records.sqlite")) as copy,
        ):
            live.backup(copy)
        invite = cluster.control("invite").stdout.partition("#")[2]
        prime_id = cluster.status()["prime"]["id"]
        plane.stop()
    shutil.move(old / "one", new / "one")
    with Cluster(new, music=old / "music") as moved:
        assert moved.address != cluster.address
        assert moved.status()["prime"]["id"] == prime_id
        assert moved.control("invite").stdout.partition("#")[2] == invite
        moved.plane("one", token=moved.token())
        [after] = moved.nodes("plane")
        assert (after["id"], after["state"]) == (before["id"], "ready")
        listed = moved.user("list", user="Anna", password="anna's words")
        assert listed.returncode == 0, listed.stderr
        assert "Song" in listed.stdout
