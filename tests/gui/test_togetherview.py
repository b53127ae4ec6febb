"""Listening together without Qt: from the engine's state to what the page says."""

import pytest

from hocket.client.events import InviteState
from hocket.client.together.reach import How, Reach
from hocket.client.together.together import Member, TogetherState
from hocket.gui import texts
from hocket.gui.togetherview import Invite, Peer, Together, change_of_lead, invite_rows, reach_text, together_view


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
    assert [(peer.name, peer.step) for peer in view.peers] == [("Ada", "good"), ("Ben", "fair"), ("Dora", "poor")]
    assert all(peer.can_be_sent_away for peer in view.peers)


def test_following_tells_of_a_pause() -> None:
    state = TogetherState(following="Ada", offset_ms=0.03, members=(member("Ada"), member("me"), member("Ben", 0.5)))
    view = together_view(state, "me", may_host=True)
    assert view.is_following
    assert not view.is_hosting
    assert view.state == texts.following("Ada")
    assert [(peer.name, peer.step) for peer in view.peers] == [("Ada", ""), (texts.YOU, "good"), ("Ben", "good")]
    assert [peer.leads for peer in view.peers] == [True, False, False]
    assert not any(peer.can_be_sent_away for peer in view.peers)
    assert together_view(state, "me", may_host=True, is_moving=False).state == texts.host_paused("Ada")


@pytest.mark.parametrize(
    ("trip_ms", "buffer_s", "line"),
    [(9.0, 5.0, "good"), (90.0, 5.0, "fair"), (9.0, 2.0, "fair"), (400.0, 5.0, "poor"), (9.0, 0.5, "poor")],
)
def test_a_line_is_as_good_as_the_worse_of_its_two_measures(trip_ms: float, buffer_s: float, line: str) -> None:
    peer = Peer("Ada", 0.0, trip_ms, buffer_s)
    assert peer.line == line
    assert texts.LINE_QUALITY[line] in peer.detail


@pytest.mark.parametrize(
    ("jitter_ms", "lost_percent", "line", "said"),
    [
        (4.0, 0.0, "good", "ping 12 ms ± 4.0"),
        (80.0, 0.0, "fair", "± 80"),
        (4.0, 2.5, "fair", "2.5 % lost"),
        (400.0, 0.0, "poor", "± 400"),
        (4.0, 9.0, "poor", "9.0 % lost"),
    ],
)
def test_jitter_and_losses_make_a_line_worse_and_are_told(
    jitter_ms: float, lost_percent: float, line: str, said: str
) -> None:
    members = (Member("Ada", "10.0.0.7:1", 0.1, 5.0, 12.0, jitter_ms, lost_percent),)
    [ada] = together_view(TogetherState(True, "10.0.0.5:1", members=members), "me", may_host=True).peers
    assert ada.line == line
    assert said in ada.detail


def test_who_was_not_measured_says_nothing_of_a_line() -> None:
    assert (Peer("Ada").line, Peer("Ada").detail) == ("", "")


@pytest.mark.parametrize("how", list(How))
def test_every_way_has_words(how: How) -> None:
    said = reach_text(Reach(how, "Ben"))
    assert said
    assert said != how.value
    assert reach_text(None) == ""


def test_another_one_leads() -> None:
    ada, ben = TogetherState(following="Ada"), TogetherState(following="Ben")
    mine = TogetherState(True, "10.0.0.1:1")
    assert change_of_lead(ada, ben, left=False) == texts.leads_now("Ben")
    assert change_of_lead(ada, mine, left=False) == texts.you_lead_now("Ada")
    assert change_of_lead(ada, TogetherState(), left=False) == texts.nobody_leads("Ada")
    assert change_of_lead(ada, TogetherState(), left=True) == ""
    assert change_of_lead(ada, ada, left=False) == ""
    assert change_of_lead(TogetherState(), ben, left=False) == ""


def test_invites_say_what_is_left_of_them() -> None:
    rows = invite_rows(
        (
            InviteState("a1", 0, 1, "listen", 3600, ("Ben",)),
            InviteState("b2", 2, 3, "control", 900, ("Ada",)),
            InviteState("c3", 1, 1, "listen", 900, revoked=True),
        ),
        {"a1": "hocket://1", "b2": "hocket://2", "c3": "hocket://3"},
    )
    assert [row.id for row in rows] == ["b2", "a1", "c3"]
    good = rows[0]
    assert good == Invite("b2", texts.SCOPES["control"], good.detail, "hocket://2", True)
    assert "1 of 3 used" in good.detail
    assert "15 minutes left" in good.detail
    assert [(row.text, row.is_good) for row in rows[1:]] == [("", False), ("", False)]


def test_durations_in_the_unit_that_a_person_would_take() -> None:
    assert [texts.duration(s) for s in (20, 900, 3600, 7200, 86_400, 604_800)] == [
        "1 minute", "15 minutes", "1 hour", "2 hours", "1 day", "7 days",
    ]  # fmt: skip
