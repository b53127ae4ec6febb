"""controlNODE.py tracks: the library of all machines, and what is taken out of it."""

import asyncio

import msgspec
from cyclopts import App

from hocket.app.operating import Given, Shared, online
from hocket.client.operator import Operator
from hocket.wire.messages.library import Copies, CopiesList, CopyRow, TrackChanged, TrackRemove, TrackRestore

tracks = App(name="tracks", help="The music of all machines.")


@tracks.command(name="list")
def list_tracks(*, json: bool = False, shared: Given) -> None:
    """Show every track and how many machines hold it.

    Parameters
    ----------
    json
        Print a JSON array instead of a table.
    """
    rows = asyncio.run(_all(shared))
    if json:
        print(msgspec.json.encode([_plain(row) for row in rows]).decode())
        return
    from hocket.app.copiesview import copies_view

    copies_view(rows)


@tracks.command
def remove(track: str, *, shared: Given) -> None:
    """Take a track out of the library on every machine. Its files wait in the trash; `restore` brings them back.

    Parameters
    ----------
    track
        Its name, a unique part of one, or its id.
    """

    async def ask(link: Operator) -> TrackChanged:
        return await link.ask(TrackRemove(track), TrackChanged)

    done: TrackChanged = asyncio.run(online(shared, ask))
    print(f"'{done.name}' is removed; it waits in .hocket-trash in the music folders ({done.track[:12]})")


@tracks.command
def restore(track: str, *, shared: Given) -> None:
    """Bring a removed track back on every machine.

    Parameters
    ----------
    track
        Its name, a unique part of one, or its id, as `tracks list` shows it.
    """

    async def ask(link: Operator) -> TrackChanged:
        return await link.ask(TrackRestore(track), TrackChanged)

    done: TrackChanged = asyncio.run(online(shared, ask))
    print(f"'{done.name}' is back")


async def _all(shared: Shared) -> list[CopyRow]:
    rows: list[CopyRow] = []

    async def pages(link: Operator) -> None:
        more = True
        while more:
            page = await link.ask(CopiesList(len(rows)), Copies)
            rows.extend(page.rows)
            more = page.more

    await online(shared, pages)
    return rows


def _plain(row: CopyRow) -> dict[str, object]:
    track = row.track
    return {
        "id": track.id,
        "name": track.name,
        "title": track.title,
        "artist": track.artist,
        "album": track.album,
        "duration_s": track.duration_s,
        "size_bytes": track.size_bytes,
        "holders": list(row.holders),
        "removed": row.removed,
    }
