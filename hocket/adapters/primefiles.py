"""What a prime or plane leaves in its data folder for its next start and for the operator on the same machine."""

import logging
import os
from pathlib import Path

from hocket.adapters.datafolder import DataFolder
from hocket.core.address import BadAddress, HostPort

log = logging.getLogger(__name__)

ADDRESS_FILE = "prime.address"
ADVERTISED_FILE = "prime.advertised"
RECORDS_FILE = "records.url"
MUSIC_FILE = "music.folder"


def last_address(folder: DataFolder) -> HostPort | None:
    """Where the prime listens, or listened last; None where nothing, or nothing sensible, was kept."""
    kept = folder.read(ADDRESS_FILE) or b""
    try:
        return HostPort.parse(kept.decode()) if kept else None
    except (BadAddress, UnicodeDecodeError):
        log.warning("%s is damaged: it is written anew at the prime's next start", folder.path / ADDRESS_FILE)
        return None


def keep_address(folder: DataFolder, address: HostPort) -> None:
    """`--listen HOST:0` takes the same port at the next start, so that nodes and listeners find it."""
    folder.write(ADDRESS_FILE, f"{address}\n".encode())


def last_advertised(folder: DataFolder) -> str:
    """The host that others were told when the prime ran last; "" for the one that it listened on."""
    return (folder.read(ADVERTISED_FILE) or b"").decode(errors="replace").strip()


def keep_advertised(folder: DataFolder, host: str) -> None:
    """The operator's invite names it while no prime runs, too."""
    if host != last_advertised(folder):
        folder.write(ADVERTISED_FILE, f"{host}\n".encode())


def last_records_url(folder: DataFolder) -> str:
    """The record store that the prime used last; "" for the data folder's own."""
    return os.fsdecode(folder.read(RECORDS_FILE) or b"").strip()


def keep_records_url(folder: DataFolder, url: str) -> None:
    """The file is 0600 like all of the folder: the URL may hold a password."""
    if url != last_records_url(folder):
        folder.write(RECORDS_FILE, f"{url}\n".encode())


def last_music_folder(folder: DataFolder) -> Path | None:
    """The music folder that the node used last; None if it never ran."""
    kept = folder.read(MUSIC_FILE)
    return Path(os.fsdecode(kept.removesuffix(b"\n"))) if kept else None


def keep_music_folder(folder: DataFolder, music: Path) -> None:
    """`--music` may be relative to a working directory that the operator does not share."""
    if last_music_folder(folder) != music.absolute():
        folder.write(MUSIC_FILE, os.fsencode(music.absolute()) + b"\n")
