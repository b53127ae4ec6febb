"""user.py: listen to a cluster's music."""

import logging
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from hocket.adapters.folders import ClientFolders, client_folders
from hocket.app.exits import DONE
from hocket.app.options import GIVEN, Program, UsageError
from hocket.core import settings
from hocket.core.address import ClusterAddress, HostPort
from hocket.core.errors import ErrorCode, HocketError

if TYPE_CHECKING:  # the window is on the screen before any of these is loaded
    from hocket.app.listening import Listening
    from hocket.client.engine import EngineOptions
    from hocket.client.together.together import TogetherOptions

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
"""Without any of these in the environment Qt ends the process instead of saying what is missing."""

TERMINAL_HINT = "add --headless to listen in the terminal"
NULL = "null"
OUTPUTS = ("speakers", NULL)
WAV = "wav:"


@dataclass(frozen=True, slots=True)
class Shared:
    """Options of every command."""

    headless: bool = False
    "Stay in the terminal; without it the window opens."

    prime: str = settings.PRIME
    "HOST:PORT of the cluster, or the hocket:// address that `controlNODE.py invite` prints."

    user: str = ""
    "Name to log in with."

    password_stdin: bool = False
    "Read the password from the first line of standard input."

    events: bool = False
    "Print what happens as JSON, one object a line, and take commands from standard input."

    output: str = "speakers"
    "Where the music goes: speakers, null (nowhere, in real time) or wav:PATH."

    device: str = ""
    "With speakers: part of the sound device's name."

    fast: bool = False
    "With null and wav: as fast as it comes instead of in real time."

    host: str = f"0.0.0.0:{settings.P2PPORT}"
    "[HOST:]PORT where friends can join while you play; taken: the next free port."

    no_host: bool = False
    "Let nobody listen along."

    invite_only: bool = False
    "Let only those listen along who have an invite."

    advertise: str = ""
    "HOST[:PORT] that friends are told, in place of this machine's own addresses."

    no_mdns: bool = False
    "Neither tell this network that you play nor look for friends who do."

    map_port: bool = False
    "Ask the router (PCP, NAT-PMP, UPnP) to let friends from elsewhere in; given back at the end."

    upload_mbit: Annotated[float, Parameter(validator=Number(gte=0))] = 0.0
    "What your line can send, in Mbit/s, so that friends pass the music on to one another; 0: as much as it takes."

    home: Path | None = None
    "Folder for the clusters that you know and the cache, in place of the system's usual ones."

    cache: Path | None = None
    "Folder for music that was played, to play it again without the network."

    cache_mib: Annotated[int, Parameter(validator=Number(gte=0))] = 2048
    "How much the cache may take; 0: keep nothing."

    @property
    def folders(self) -> ClientFolders:
        return client_folders(self.home, self.cache)

    @property
    def address(self) -> ClusterAddress:
        return ClusterAddress.parse(self.prime, HostPort.parse(settings.PRIME).port)

    def check(self) -> None:
        """Before anything is loaded: raises UsageError for an output that there is not, BadAddress for a bad --host."""
        if self.output not in OUTPUTS and not self.output.startswith(WAV):
            raise UsageError(f"there is no output '{self.output}'", hint="take speakers, null or wav:PATH")
        _ = self.host_address

    @property
    def engine_options(self) -> "EngineOptions":
        """Raises as `check` does."""
        from hocket.client.engine import EngineOptions

        self.check()
        cache_bytes = self.cache_mib * 1024 * 1024
        return EngineOptions(self.folders, self.output, self.device, self.fast, cache_bytes, self.together_options)

    @property
    def host_address(self) -> HostPort | None:
        """Where friends are let in, None for nowhere: nobody can follow what does not play in real time."""
        if self.no_host or self.fast:
            return None
        return HostPort.parse(f"0.0.0.0:{self.host}" if self.host.isdigit() else self.host, settings.P2PPORT)

    @property
    def together_options(self) -> "TogetherOptions":
        """Raises BadAddress for a --host or --advertise that is none."""
        from hocket.client.together.together import TogetherOptions

        return TogetherOptions(
            self.host_address,
            self.invite_only,
            round(self.upload_mbit * 1e6),
            HostPort.parse(self.advertise, 0) if self.advertise else None,
            not self.no_mdns,
            self.map_port,
        )


PROGRAM = Program(
    "user",
    "Listen to a cluster's music: in a window, or with --headless in a terminal.",
    shared=Shared,
    log_level=logging.WARNING,
)

Given = Annotated[Shared, GIVEN]
Seconds = Annotated[float, Parameter(validator=Number(gte=0))]


@PROGRAM.app.default
def open_client(*, shared: Given) -> int:
    """Open the window; with --headless the terminal client, which is told what to do line by line."""
    if shared.headless:
        from hocket.app.terminal import run_terminal

        run_terminal(shared)
        return DONE
    if sys.platform == "linux" and not any(os.environ.get(name) for name in DISPLAYS):
        raise UsageError("there is no display to open the window on", hint=TERMINAL_HINT)
    try:
        from hocket.gui.main import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hocket"):
            raise
        raise UsageError(f"the window needs {error.name}, which is not installed here", hint=TERMINAL_HINT) from None
    shared.check()
    return run(lambda: shared.engine_options, shared.folders.config, shared.prime, shared.user)


@PROGRAM.app.command(name="list")
def list_tracks(*, search: str = "", json: bool = False, shared: Given) -> None:
    """List the cluster's music.

    Parameters
    ----------
    search
        Only tracks with all these words in their name, title, artist or album.
    json
        Print a JSON array instead of a table.
    """
    from hocket.app.listening import run_listening
    from hocket.app.trackview import json_of, print_tracks

    async def work(listening: "Listening") -> None:
        tracks = await listening.engine.all_tracks(search)
        if json:
            print(json_of(tracks))
        elif not shared.events:
            print_tracks(tracks)

    run_listening(replace(shared, output=NULL), work)  # no sound library is needed for a list


@PROGRAM.app.command
def play(
    track: str,
    /,
    *,
    from_s: Annotated[Seconds, Parameter(name="--from")] = 0.0,
    for_s: Annotated[Seconds | None, Parameter(name="--for")] = None,
    shared: Given,
) -> None:
    """Play one track.

    Parameters
    ----------
    track
        A name, a unique part of one, or an id.
    from_s
        Begin at this second.
    for_s
        Play so many seconds.
    """
    from hocket.app.listening import run_listening

    async def work(listening: "Listening") -> None:
        if shared.events:
            await listening.play(track, from_s, for_s)
        else:
            from hocket.app.nowplaying import play_for_people

            await play_for_people(listening, track, from_s, for_s)

    run_listening(shared, work)


@PROGRAM.app.command
def join(address: str, /, *, for_s: Annotated[Seconds | None, Parameter(name="--for")] = None, shared: Given) -> None:
    """Listen along with a friend who plays: the same music at the same moment.

    Parameters
    ----------
    address
        HOST:PORT that the friend's client shows, or an invite.
    for_s
        Leave after so many seconds.
    """
    from hocket.app.listening import run_listening
    from hocket.app.words import said

    async def work(listening: "Listening") -> None:
        if not shared.events:
            listening.on_event = lambda event: print(said(event), flush=True) if said(event) else None
        await listening.join(address, for_s)

    run_listening(shared, work)


@PROGRAM.app.command
def nearby(*, for_s: Annotated[Seconds, Parameter(name="--for")] = 3.0, shared: Given) -> None:
    """List the friends who play in this network and can be joined.

    Parameters
    ----------
    for_s
        Look so many seconds.
    """
    import asyncio

    from hocket.app.listening import run_listening
    from hocket.app.words import said
    from hocket.client import events

    async def work(listening: "Listening") -> None:
        listening.engine.together.watch_nearby()
        await asyncio.sleep(for_s)
        if not shared.events:
            problem = listening.engine.together.nearby_problem
            print(said(events.Nearby(listening.engine.together.nearby, problem)))

    run_listening(replace(shared, output=NULL), work)


@PROGRAM.app.command
def forget(address: str, /, *, shared: Given) -> None:
    """Forget the fingerprint by which a cluster is known, so that it is met as for the first time.

    Parameters
    ----------
    address
        HOST:PORT of its prime.
    """
    from hocket.adapters.trust import KnownClusters

    at = ClusterAddress.parse(address, HostPort.parse(settings.PRIME).port).at
    if not KnownClusters(shared.folders.config).forget(at):
        raise HocketError(f"no cluster is known at {at}", code=ErrorCode.NODE_MISSING)
    print(f"forgot the cluster at {at}")


def main() -> int:
    """Run what the command line asks for."""
    return PROGRAM()
