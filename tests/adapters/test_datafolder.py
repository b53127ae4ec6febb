"""One owner, whole files, one id."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hocket.adapters.datafolder import DataBroken, DataFolder, DataInUse, DataMissing, DataUnwritable, write_whole
from hocket.core.errors import ErrorCode
from hocket.core.ids import Role, role_of
from tests.kit.disks import fill, small_disk, unwritable

HOLDER = """
import sys
from pathlib import Path
from hocket.adapters.datafolder import DataFolder
with DataFolder.open(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def test_a_new_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    old_umask = os.umask(0)
    try:
        with DataFolder.open(tmp_path / "a" / "data") as folder:
            folder.write("secret", b"s")
    finally:
        os.umask(old_umask)
    assert mode(tmp_path / "a" / "data") == 0o700
    assert mode(tmp_path / "a" / "data" / "secret") == 0o600
    assert mode(tmp_path / "a" / "data" / "lock") == 0o600


def test_a_folder_that_was_there_keeps_its_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    DataFolder.open(tmp_path).close()
    assert mode(tmp_path) == 0o755


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataInUse, match=f"in use by process {holder.pid}") as caught:
            DataFolder.open(tmp_path)
        assert caught.value.pid == holder.pid
        assert caught.value.code is ErrorCode.DATA_IN_USE
        assert "--data" in caught.value.hint
        DataFolder.look(tmp_path).close()
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    with DataFolder.open(tmp_path) as folder:
        assert folder.read("lock") == f"{os.getpid()}\n".encode()


def test_it_can_be_owned_again_after_close(tmp_path: Path) -> None:
    first = DataFolder.open(tmp_path)
    with pytest.raises(DataInUse):
        DataFolder.open(tmp_path)
    first.close()
    first.close()
    DataFolder.open(tmp_path).close()


def test_children_do_not_inherit_the_ownership(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with child:
        DataFolder.open(tmp_path).close()
        child.communicate(b"\n")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path) as folder:
        assert folder.read("file") is None
        folder.write("file", b"old")
        folder.write("file", b"new")
        assert folder.read("file") == b"new"
        assert names(tmp_path) == {"lock", "file"}


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DataFolder.open(tmp_path) as folder:
        folder.write("file", b"old")

        def fail(fd: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(DataUnwritable, match="input/output error"):
            folder.write("file", b"new")
        assert folder.read("file") == b"old"
        assert names(tmp_path) == {"lock", "file"}


def test_half_files_of_a_crashed_owner_are_swept(tmp_path: Path) -> None:
    crashing = """
import os, sys
from pathlib import Path
from hocket.adapters.datafolder import DataFolder
folder = DataFolder.open(Path(sys.argv[1]))
os.fsync = lambda fd: os._exit(9)
folder.write("file", b"half")
"""
    assert subprocess.run([sys.executable, "-c", crashing, str(tmp_path)], check=False).returncode == 9
    assert len(names(tmp_path)) == 2
    (tmp_path / "kept.tmp").touch()
    DataFolder.open(tmp_path).close()
    assert names(tmp_path) == {"lock", "kept.tmp"}


@pytest.mark.root
def test_a_full_disk_says_so_and_keeps_the_old_file(tmp_path: Path) -> None:
    with small_disk(tmp_path, 64), DataFolder.open(tmp_path) as folder:
        folder.write("file", b"old")
        fill(tmp_path)
        with pytest.raises(DataUnwritable, match="no space left") as caught:
            folder.write("file", bytes(10_000))
        assert caught.value.hint == "make room on that disk"
        assert folder.read("file") == b"old"
        assert names(tmp_path) == {"lock", "file", "filler"}


def test_a_read_only_folder_says_so(tmp_path: Path) -> None:
    with unwritable(tmp_path):
        for path in (tmp_path, tmp_path / "data"):
            with pytest.raises(DataUnwritable, match="permission denied") as caught:
                DataFolder.open(path)
            assert caught.value.code is ErrorCode.DATA_UNWRITABLE
            assert "--data" in caught.value.hint
        with pytest.raises(DataUnwritable):
            write_whole(tmp_path / "file", b"")


def test_a_file_in_its_place_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a song")
    for path in (tmp_path / "data", tmp_path / "data" / "inside"):
        with pytest.raises(DataUnwritable, match="a file is in its place"):
            DataFolder.open(path)
        with pytest.raises(DataMissing):
            DataFolder.look(path)


def test_looking_makes_nothing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "data"):
        with pytest.raises(DataMissing, match="no data folder") as caught:
            DataFolder.look(path)
        assert "start the prime once" in caught.value.hint
    assert names(tmp_path) == set()


def test_a_stranger_who_looks_is_told_why_he_cannot(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "data"):
        pass
    with unwritable(tmp_path):
        if os.getuid() == 0:
            with pytest.raises(DataBroken, match="permission denied"):
                DataFolder.look(tmp_path / "data")


def test_a_node_id_is_made_once_and_kept(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path) as folder:
        first = folder.node_id(Role.PRIME)
        assert role_of(first) is Role.PRIME
    with DataFolder.open(tmp_path) as folder:
        assert folder.node_id(Role.PRIME) == first
    with DataFolder.open(tmp_path / "other") as other:
        assert other.node_id(Role.PRIME) != first


def test_a_node_id_of_another_role_or_garbage_is_not_replaced(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path) as folder:
        made = folder.node_id(Role.PLANE)
        with pytest.raises(DataBroken, match="belongs to a plane") as caught:
            folder.node_id(Role.PRIME)
        assert caught.value.code is ErrorCode.DATA_BROKEN
        for garbage in (b"", b"\xff\xfe", b"prime-xyz", b"guest-0123456789ab", made.encode()[:-1]):
            folder.write("node.id", garbage)
            with pytest.raises(DataBroken, match="no node id"):
                folder.node_id(Role.PLANE)
            assert folder.read("node.id") == garbage
