"""Events of the client in plain words, one line each."""

from hocket.app.company import said_of_friends
from hocket.app.trackview import clock
from hocket.client import events
from hocket.client.fetch import CACHE


def said(event: events.Event) -> str:
    """An event in words; empty for what nobody needs to be told."""
    match event:
        case events.Pinned():
            return f"met the cluster at {event.address}; its fingerprint is {event.fingerprint}"
        case events.Opened():
            by = f" by {event.artist}" if event.artist else ""
            is_ours = event.source == CACHE or "-" in event.source  # a node; friends are known by other ids
            source = event.source if is_ours else "your friend"
            return f"playing {event.title or event.name}{by} ({clock(event.frames / event.rate)}) from {source}"
        case events.Moved() if event.origin != CACHE:  # that it held only a part is no trouble to anybody
            return f"went on from {event.origin} to {event.to}: {event.why}"
        case events.SessionMoved():
            return f"the session moved to {event.to}: {event.why}"
        case events.Prime(reachable=False):
            return "the prime is out of reach; music goes on"
        case events.Prime():
            return "the prime is back"
        case events.Stalled():
            return "waiting for the network"
        case events.PeerJoined():
            return f"{event.name} listens along"
        case events.PeerLeft():
            return f"{event.name} is gone"
        case events.Joined():
            return f"listening along with {event.host}"
        case events.Reach(how="punched"):
            return "connected although both of you are behind routers"
        case events.Reach(how="relayed" | "through-node"):
            return f"the host is reached through the prime, a little less exactly in time; music from {event.via}"
        case events.OutputChanged():
            return f"no sound: {event.why}; playing into nowhere ({event.output})"
        case events.Error():
            return f"error: {event.text}" + (f" ({event.hint})" if event.hint else "")
    return said_of_friends(event)
