"""Commands about friends, as scripts and people write them; for both headless clients."""

import time
from collections.abc import Sequence

from hocket.app.options import UsageError
from hocket.client import events
from hocket.client.engine import Engine
from hocket.relay.invites import Scope
from hocket.relay.nearby import Neighbour

COMMANDS = "nearby, invite [MINUTES] [USES] [listen|control], invites, revoke ID, kick NAME or ban NAME"

HELP = """\
nearby              friends who play in this network
invite [MINUTES] [USES] [listen|control]               an invite to send: a day, one friend, may listen
invites             those that are out                 revoke ID          nobody comes in by it any more
kick NAME           send away (ban NAME: for a day)"""


async def obey_company(engine: Engine, word: str, rest: str) -> bool:
    """Do one command; what comes of it is told by events. False for what is none of these. Raises HocketError."""
    together = engine.together
    match word:
        case "nearby":
            together.watch_nearby()
        case "invite":
            minutes, uses, scope = _terms(rest.split())
            together.invite(life_s=round(60 * minutes), uses=uses, may_control=scope is Scope.CONTROL)
        case "invites":
            together.tell_invites()
        case "revoke" if rest:
            together.revoke(rest)
        case "kick" | "ban" if rest:
            if not together.kick(rest, ban=word == "ban"):
                raise UsageError(f"nobody here is called '{rest}'")
        case _:
            return False
    return True


def _terms(words: Sequence[str]) -> tuple[float, int, Scope]:
    """Minutes, uses and scope as given, else a day for one friend who may listen. Raises UsageError."""
    minutes, uses, scope = [*words, *("1440", "1", "listen")[len(words) :]][:3]
    try:
        if len(words) > 3:
            raise ValueError(words[3])
        return float(minutes), int(uses), Scope(scope)
    except ValueError:
        raise UsageError(
            f"'{' '.join(words)}' are no terms for an invite",
            hint="write minutes, uses and listen or control, as in: invite 60 3 listen",
        ) from None


def said_of_friends(event: events.Event) -> str:
    """An event about friends in words; empty for what nobody needs to be told."""
    match event:
        case events.Hosting():
            return f"friends can listen along at {event.address}" + _mapping(event)
        case events.Nearby():
            return (
                "\n".join(map(_neighbour, event.friends))
                or f"no friend plays nearby so far {_because(event.problem)}".strip()
            )
        case events.Invited():
            return f"invite {event.id} for {_friends(event.uses)}, {_until(event.expires_in_s)}:\n{event.invite}"
        case events.Invites() if event.is_asked:
            return "\n".join(map(_invite, event.invites)) or "no invites are out"
        case events.Revoked():
            here = f"; {', '.join(event.friends)} came by it before (kick sends away)" if event.friends else ""
            return f"nobody comes in by {event.id} any more{here}"
    return ""


def _mapping(event: events.Hosting) -> str:
    match event.mapping:
        case "mapped":
            return " from anywhere: the router lets them through"
        case "":
            return ""
    return f" in this network; {event.why}"


def _neighbour(one: Neighbour) -> str:
    where = f" on {one.name}" if one.name else ""
    return f"{one.user}{where}: {one.address}" + (" (with an invite)" if one.invite_only else "")


def _invite(one: events.InviteState) -> str:
    state = "revoked" if one.revoked else f"{one.uses_left} of {one.uses} uses left, {_until(one.expires_in_s)}"
    came = f"; came by it: {', '.join(one.friends)}" if one.friends else ""
    return f"{one.id}: {state}, may {one.scope}{came}"


def _friends(count: int) -> str:
    return "one friend" if count == 1 else f"{count} friends"


def _until(in_s: int) -> str:
    if in_s >= 48 * 3600:
        return f"good for {in_s // 86_400} days"
    if in_s >= 2 * 3600:
        return f"good until {time.strftime('%a %H:%M', time.localtime(time.time() + in_s))}"
    return f"good for {max(1, in_s // 60)} min"


def _because(problem: str) -> str:
    return f"({problem})" if problem else ""
