"""Where the client keeps what outlives it: the clusters it knows, and the music it played."""

from pathlib import Path

import msgspec

APP_NAME = "hocket"


class ClientFolders(msgspec.Struct, frozen=True):
    """Folders that may not exist yet."""

    config: Path
    cache: Path


def client_folders(home: Path | None = None, cache: Path | None = None) -> ClientFolders:
    """The system's usual folders for this user; all below `home` if that is given; `cache` moves the cache alone."""
    if home is not None:
        return ClientFolders(home, cache or home / "cache")
    import platformdirs

    return ClientFolders(
        platformdirs.user_config_path(APP_NAME), cache or platformdirs.user_cache_path(APP_NAME) / "tracks"
    )
