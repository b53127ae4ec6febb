"""What the window remembers."""

from pathlib import Path

import pytest

from hocket.core.errors import HocketError
from hocket.gui import settings
from hocket.gui.settings import Remembered


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    kept = Remembered("h:1", "Someone", True, "light", 40, "AAAA", True, True)
    settings.save(tmp_path / "new" / "folder", kept)
    assert settings.load(tmp_path / "new" / "folder") == kept
    assert b"password123" not in (tmp_path / "new" / "folder" / settings.FILE_NAME).read_bytes()


@pytest.mark.parametrize("content", [b"", b"{", b'{"volume": "loud"}', b"\xff\xfe"])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / settings.FILE_NAME).write_bytes(content)
    assert settings.load(tmp_path) == Remembered()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HocketError):
        settings.save(tmp_path / "file", Remembered())


def test_the_keyring_keeps_the_password_by_server_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backend import KeyringBackend

    class InMemory(KeyringBackend):
        priority = 1

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.kept: dict[tuple[str, str], str] = {}

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())
    try:
        settings.keep_password("Host:1", "Ada", "one")
        settings.keep_password("host:2", "Ada", "two")
        assert settings.kept_password("host:1", "Ada") == "one"
        settings.forget_password("host:1", "Ada")
        assert settings.kept_password("host:1", "Ada") == ""
        assert settings.kept_password("host:2", "Ada") == "two"
    finally:
        keyring.set_keyring(before)


def test_without_a_keyring_nothing_is_kept_and_it_is_told() -> None:
    import keyring
    from keyring.backends.fail import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())  # type: ignore[no-untyped-call]
    try:
        assert settings.kept_password("h", "u") == ""
        settings.forget_password("h", "u")
        with pytest.raises(HocketError):
            settings.keep_password("h", "u", "p")
    finally:
        keyring.set_keyring(before)
