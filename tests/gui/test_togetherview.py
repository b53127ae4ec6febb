"""Listening together without Qt: from events to what the page says."""

from hocket.gui import texts
from hocket.gui.togetherview import Together


def test_hosting_lists_who_comes_and_goes_with_their_offsets() -> None:
    state = Together().hosting("192.168.1.5:25566")
    assert state.is_hosting
    assert state.state == texts.YOU_ARE_HOST
    state = state.peer_joined("Ada").peer_joined("Ben").peer_joined("Ada").offset("Ada", -0.08).offset("nobody", 3.0)
    assert [(peer.name, peer.line) for peer in state.peers] == [("Ben", ""), ("Ada", "good")]
    assert [peer.line for peer in state.offset("Ben", 2.0).offset("Ada", -7.0).peers] == ["fair", "poor"]
    assert [peer.name for peer in state.peer_left("Ben").peers] == ["Ada"]
    assert state.hosting("") == Together()


def test_following_tells_of_pause_leaving_and_handing_over() -> None:
    state = Together().following("Ada")
    assert state.is_following
    assert not state.is_hosting
    assert state.paused(True).state == texts.host_paused("Ada")
    assert state.paused(True).paused(False).state == texts.following("Ada")
    assert state.peer_left("Ada").state == texts.host_left("Ada")
    moved = state.peer_joined("Ben").moved("Ben")
    assert (moved.host, moved.state) == ("Ben", texts.host_moved("Ben"))
    assert [peer.name for peer in moved.peers] == ["Ben"]


def test_a_pause_of_our_own_is_no_pause_of_a_host() -> None:
    hosting = Together().hosting("h:1")
    assert hosting.paused(True) == hosting
