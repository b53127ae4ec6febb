"""Who plays is found by others in the same network, and invites friends: real programs, each on a host of its own."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.kit.cluster import DEMO_USER, Listener
from tests.kit.processes import Program
from tests.kit.routers import OUTER
from tests.kit.wan import Wan
from tests.system.friends import FRIENDS, HOST, MARKS, PORT, Home

pytestmark = MARKS

FRIEND, OTHER = FRIENDS


class Neighbours(Home):
    """What everybody plays goes nowhere; who is near is told, unless it is said otherwise."""

    def listener(self, on: int, *command: str | Path, mdns: bool = True) -> Listener:
        return self.user(on, "--output", "null", *command, HOCKET_NO_MDNS="false" if mdns else "true")

    def router(self, on: int, temper: str = "friendly") -> Program:
        """What the host's way out leads through."""
        route = ["ip", "route", "add", "default", "via", self.wan.address(on)]
        assert self.wan.run(HOST, route).wait() == 0
        argv = self.wan.command(on, [sys.executable, "-m", "tests.kit.routers", self.wan.address(on), temper])
        router = self._stack.enter_context(Program(argv))
        router.wait_line("^router ready")
        return router


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Neighbours]:
    with Wan(hosts=4, seed=1) as wan, ExitStack() as stack:
        yield Neighbours(wan, tmp_path, stack)


def until(listener: Listener, name: str, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The next event of this name for which it holds."""
    while not holds(event := listener.wait_event(name)):
        pass
    return event


def test_a_friend_finds_who_plays_joins_and_sees_it_go(home: Neighbours) -> None:
    host = home.listener(HOST, "play", "Long")
    assert host.wait_event("hosting")["address"] == home.at(HOST), "a real address, not that of every interface"
    watching = home.listener(OTHER, "nearby", "--for", "600")
    found = until(watching, "nearby", lambda event: event["friends"])["friends"]
    assert [(one["user"], one["address"], one["invite_only"]) for one in found] == [(DEMO_USER, home.at(HOST), False)]
    friend = home.listener(FRIEND, "join", found[0]["address"])
    friend.wait_event("playing")
    host.send_signal(signal.SIGINT)
    assert host.wait_exit() == 0
    later = until(watching, "nearby", lambda event: [one["address"] for one in event["friends"]] != [home.at(HOST)])
    if not later["friends"]:
        later = until(watching, "nearby", lambda event: event["friends"])
    assert [one["address"] for one in later["friends"]] == [home.at(FRIEND)], "who took over is there instead"


def test_who_does_not_want_to_be_seen_is_not(home: Neighbours) -> None:
    hidden = home.listener(HOST, "play", "Long", mdns=False)
    hidden.wait_event("hosting")
    shown = home.listener(OTHER, "play", "Long", "--invite-only")
    shown.wait_event("hosting")
    watching = home.listener(FRIEND, "nearby", "--for", "8")
    found = until(watching, "nearby", lambda event: event["friends"])["friends"]
    assert [(one["address"], one["invite_only"]) for one in found] == [(home.at(OTHER), True)]
    assert watching.wait_exit() == 0
    assert home.at(HOST) not in str(watching.events)
    blind = home.listener(FRIEND, "nearby", "--for", "0.5", mdns=False)
    assert blind.wait_event("nearby")["problem"]
    assert blind.wait_exit() == 0


def test_invites_are_made_listed_and_withdrawn_by_commands(home: Neighbours) -> None:
    host = home.listener(HOST, "play", "Long", "--invite-only", "--advertise", f"{home.wan.address(HOST)}")
    assert host.wait_event("hosting")["address"] == home.at(HOST)
    host.command("invite 60 2 control")
    made = host.wait_event("invited")
    assert (made["uses"], made["scope"], made["expires_in_s"]) == (2, "control", 3600)
    friend = home.listener(FRIEND, "join", made["invite"])
    friend.wait_event("playing")
    friend.command("pause")
    host.wait_event("paused")
    host.command("invites")
    (listed,) = until(host, "invites", lambda event: event["is_asked"])["invites"]
    assert (listed["id"], listed["uses_left"], listed["friends"]) == (made["id"], 1, [DEMO_USER])
    host.command(f"revoke {made['id']}")
    assert host.wait_event("revoked")["friends"] == [DEMO_USER]
    late = home.listener(OTHER, "join", made["invite"])
    assert late.wait_event("error")["code"] == "INVITE_REFUSED"
    assert late.wait_exit() == 3
    host.command("revoke nonsense")
    assert "no invite" in host.wait_event("error")["text"]
    host.command("invite soon")
    assert host.wait_event("error")["code"] == "USAGE"
    host.command(f"kick {DEMO_USER}")
    assert friend.wait_event("error")["code"] == "NOT_ALLOWED"
    assert friend.wait_exit() == 3


def test_a_router_lets_friends_in_until_ctrl_c(home: Neighbours) -> None:
    router = home.router(OTHER)
    host = home.listener(HOST, "play", "Long", "--map-port", mdns=False)
    assert host.wait_event("hosting")["mapping"] == ""
    hosting = host.wait_event("hosting", mapping="mapped")
    assert hosting["address"] == f"{OUTER}:{PORT}"
    assert hosting["also"] == [home.at(HOST)]
    router.wait_line(f"^mapped {PORT}={home.at(HOST)}$")
    host.command("invite")
    friend = home.listener(FRIEND, "join", host.wait_event("invited")["invite"], mdns=False)
    assert friend.wait_event("joined")["at"] == home.at(HOST), "the outer address does not answer from within"
    host.send_signal(signal.SIGINT)
    assert host.wait_exit() == 0
    router.wait_line("^mapped$")


def test_a_router_that_refuses_changes_nothing_else(home: Neighbours) -> None:
    home.router(OTHER, "refusing")
    host = home.listener(HOST, "play", "Long", "--map-port", mdns=False)
    refused = host.wait_event("hosting", mapping="refused")
    assert refused["address"] == home.at(HOST)
    assert "by hand" in refused["why"]
    host.command("stop")
    assert host.wait_exit() == 0
