"""Listening together without Qt: from the engine's state to what the page says."""

from hocket.client.together.together import Member, TogetherState
from hocket.gui import texts
from hocket.gui.togetherview import Together, together_view


def member(name: str, offset_ms: float = 0.0) -> Member:
    return Member(name, "10.0.0.7:1", offset_ms, 5.0, 12.0)


def test_alone() -> None:
    assert together_view(TogetherState(), "me", may_host=False) == Together(state=texts.NOT_HOSTING)
    waiting = together_view(TogetherState(), "me", may_host=True)
    assert (waiting.state, waiting.is_hosting, waiting.may_host) == (texts.HOSTS_WHEN_PLAYING, False, True)


def test_hosting_lists_friends_with_their_offsets() -> None:
    members = (member("me"), member("Ada", -0.08), member("Ben", 2.0), member("Dora", -7.0))
    view = together_view(TogetherState(True, "192.168.1.5:25566", members=members), "me", may_host=True)
    assert view.is_hosting
    assert view.state == texts.YOU_ARE_HOST
    assert [(peer.name, peer.line) for peer in view.peers] == [("Ada", "good"), ("Ben", "fair"), ("Dora", "poor")]


def test_following_tells_of_a_pause() -> None:
    state = TogetherState(following="Ada", offset_ms=0.03, members=(member("Ada"), member("me"), member("Ben", 0.5)))
    view = together_view(state, "me", may_host=True)
    assert view.is_following
    assert not view.is_hosting
    assert view.state == texts.following("Ada")
    assert [(peer.name, peer.line) for peer in view.peers] == [("Ada", ""), (texts.YOU, "good"), ("Ben", "good")]
    assert together_view(state, "me", may_host=True, is_moving=False).state == texts.host_paused("Ada")
