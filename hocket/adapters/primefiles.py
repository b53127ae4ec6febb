"""What a prime leaves in its data folder for its next start and for the operator on the same machine."""

from hocket.adapters.datafolder import DataFolder
from hocket.core.address import HostPort

ADDRESS_FILE = "prime.address"
RECORDS_FILE = "records.url"


def last_address(folder: DataFolder) -> HostPort | None:
    """Where the prime listens, or listened last."""
    kept = folder.read(ADDRESS_FILE)
    return HostPort.parse(kept.decode()) if kept else None


def keep_address(folder: DataFolder, address: HostPort) -> None:
    """`--listen HOST:0` takes the same port at the next start, so that nodes and listeners find it."""
    folder.write(ADDRESS_FILE, f"{address}\n".encode())


def last_records_url(folder: DataFolder) -> str:
    """The record store that the prime used last; "" for the data folder's own."""
    return (folder.read(RECORDS_FILE) or b"").decode().strip()


def keep_records_url(folder: DataFolder, url: str) -> None:
    """The file is 0600 like all of the folder: the URL may hold a password."""
    if url != last_records_url(folder):
        folder.write(RECORDS_FILE, f"{url}\n".encode())
