import pytest

from hocket.core.address import HostPort
from hocket.core.clock import NS_PER_S
from hocket.core.errors import ErrorCode, HocketError
from hocket.core.ids import UserName
from hocket.relay.admission import (
    AWAY_S,
    MAX_ADDRESSES,
    MAX_BANS,
    MAX_FRIENDS,
    MAX_PENDING,
    RETURN_S,
    Door,
    GuestList,
    network_of,
)
from hocket.relay.invites import InviteBook, InviteRefused, Scope
from hocket.relay.keys import GroupId
from hocket.relay.limits import JOINS, JOINS_PER_ADDRESS, MAX_SILENCE_NS
from tests.relay.people import Person

NOW = 10**18
NOW_S = 1_700_000_000
HOST, ANNA = Person("host"), Person("anna")
GROUP = GroupId("0" * 32)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.168.1.5", "192.168.1.5"),
        ("::ffff:192.168.1.5", "192.168.1.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", "no address"),
    ],
)
def test_a_household_counts_as_one(address: str, network: str) -> None:
    assert network_of(address) == network


# the door


def test_a_flood_from_one_address_is_turned_away_and_others_are_not() -> None:
    door = Door()
    let_in = sum(door.knock(number, "10.0.0.66", NOW + number * NS_PER_S // 1_000) for number in range(1_000))
    assert let_in <= JOINS_PER_ADDRESS.burst + JOINS_PER_ADDRESS.per_s
    assert door.knock("friend", "10.0.0.7", NOW + NS_PER_S)


def test_a_flood_from_everywhere_is_turned_away_but_not_who_was_here_before() -> None:
    door = Door()
    door.knock("anna", "10.0.0.7", NOW)
    door.greeted("anna", "10.0.0.7")
    let_in = 0
    for number in range(1_000):
        if door.knock(number, f"10.1.{number // 250}.{number % 250}", NOW + number * NS_PER_S // 1_000):
            let_in += 1
            door.gone(number)
    assert JOINS.burst <= let_in <= JOINS.burst + JOINS.per_s
    assert not door.knock("stranger", "10.9.9.9", NOW + NS_PER_S - 1)
    assert door.knock("anna again", "10.0.0.7", NOW + NS_PER_S - 1)


def test_whoever_says_nothing_for_two_seconds_is_closed() -> None:
    door = Door()
    door.knock("quiet", "10.0.0.1", NOW)
    door.knock("polite", "10.0.0.2", NOW)
    door.knock("later", "10.0.0.3", NOW + 1)
    door.greeted("polite", "10.0.0.2")
    assert door.silent(NOW + MAX_SILENCE_NS - 1) == []
    assert door.silent(NOW + MAX_SILENCE_NS) == ["quiet"]
    door.gone("quiet")
    assert door.silent(NOW + MAX_SILENCE_NS) == []


def test_those_who_wait_are_few() -> None:
    door = Door()
    seconds = 0
    for number in range(MAX_PENDING):
        seconds += number % JOINS.per_s == 0
        assert door.knock(number, f"10.0.0.{number}", NOW + seconds * NS_PER_S)
    assert not door.knock("one more", "10.0.1.1", NOW + 99 * NS_PER_S)
    door.greeted("nobody", "10.0.1.9")
    assert door.knock("friend", "10.0.1.9", NOW + 99 * NS_PER_S)
    door.gone("friend")
    door.gone(0)
    assert door.knock("one more", "10.0.1.2", NOW + 99 * NS_PER_S)


def test_the_door_remembers_no_more_than_it_should() -> None:
    door = Door()
    for number in range(MAX_ADDRESSES + 50):
        door.greeted(number, f"10.{number // 65_536}.{number // 256 % 256}.{number % 256}")
    assert len(door._friendly) == MAX_ADDRESSES


# the guest list


def guests(*, invite_only: bool = False, bare_scope: Scope = Scope.LISTEN) -> GuestList:
    return GuestList(HOST.key, InviteBook(GROUP, [HOST.key]), invite_only=invite_only, bare_scope=bare_scope)


def token(of: GuestList, scope: Scope = Scope.LISTEN) -> bytes:
    return of.book.mint(HostPort("h", 1), HOST.sign, b"random", NOW_S, 3_600, 1, scope).token


def test_a_user_of_the_cluster_comes_by_a_bare_address() -> None:
    listed = guests()
    guest = listed.admit(UserName("Anna"), ANNA.key, None, NOW_S)
    assert (guest.id, guest.scope) == (ANNA.id, Scope.LISTEN)
    assert listed.guests == (guest,)
    listed.left(ANNA.id, NOW_S)
    assert not listed.guests


def test_a_session_may_be_for_the_invited_only() -> None:
    listed = guests(invite_only=True)
    with pytest.raises(HocketError, match="with an invite") as refused:
        listed.admit(UserName("Anna"), ANNA.key, None, NOW_S)
    assert refused.value.code is ErrorCode.NOT_ALLOWED
    assert listed.admit(UserName("Anna"), ANNA.key, token(listed), NOW_S).scope is Scope.LISTEN
    with pytest.raises(InviteRefused):
        listed.admit(UserName("Ben"), Person("ben").key, b"nonsense", NOW_S)
    assert len(listed.guests) == 1


def test_only_those_who_may_control_do() -> None:
    listed = guests()
    listed.admit(UserName("Anna"), ANNA.key, None, NOW_S)
    with pytest.raises(HocketError, match="not control"):
        listed.check_control(ANNA.id)
    listed.admit(UserName("Anna"), ANNA.key, token(listed, Scope.CONTROL), NOW_S)
    listed.check_control(ANNA.id)
    listed.grant(ANNA.id, Scope.LISTEN)
    with pytest.raises(HocketError, match="not control"):
        listed.check_control(ANNA.id)
    listed.left(ANNA.id, NOW_S)
    listed.grant(ANNA.id, Scope.CONTROL)
    with pytest.raises(HocketError, match="not control"):
        listed.check_control(ANNA.id)
    assert guests(bare_scope=Scope.CONTROL).admit(UserName("Anna"), ANNA.key, None, NOW_S).scope is Scope.CONTROL


def test_a_host_does_not_follow_itself() -> None:
    with pytest.raises(HocketError, match="you are hosting") as refused:
        guests().admit(UserName("Host"), HOST.key, None, NOW_S)
    assert refused.value.code is ErrorCode.NOT_ALLOWED


def test_the_banned_stay_out_until_their_time_is_over() -> None:
    listed = guests()
    guest = listed.admit(UserName("Anna"), ANNA.key, None, NOW_S)
    assert listed.ban(UserName("Anna"), NOW_S, 60) == (guest,)
    assert not listed.guests
    with pytest.raises(HocketError, match="does not want you"):
        listed.admit(UserName("Anna"), Person("anna again").key, token(listed), NOW_S + 59)
    listed.admit(UserName("Anna"), ANNA.key, None, NOW_S + 60)
    listed.ban(UserName("Anna"), NOW_S, 60)
    listed.unban(UserName("Anna"))
    listed.admit(UserName("Anna"), ANNA.key, None, NOW_S)


def test_bans_are_bounded() -> None:
    listed = guests()
    for number in range(MAX_BANS):
        listed.ban(UserName(f"u{number}"), NOW_S, 60)
    listed.ban(UserName("u0"), NOW_S, 60)
    with pytest.raises(HocketError, match="banned already"):
        listed.ban(UserName("one more"), NOW_S, 60)
    listed.ban(UserName("one more"), NOW_S + 60, 60)


def test_a_full_session_takes_nobody_but_who_is_in_already() -> None:
    listed = guests()
    for number in range(MAX_FRIENDS):
        listed.admit(UserName(f"u{number}"), number.to_bytes(32, "big"), None, NOW_S)
    with pytest.raises(HocketError, match="256 friends") as refused:
        listed.admit(UserName("Anna"), ANNA.key, None, NOW_S)
    assert refused.value.code is ErrorCode.NODE_FULL
    listed.admit(UserName("u7"), (7).to_bytes(32, "big"), None, NOW_S)
    assert len(listed.guests) == MAX_FRIENDS


def test_who_lost_its_connection_comes_back_whatever_became_of_its_invite() -> None:
    listed = guests(invite_only=True)
    shown = token(listed, Scope.CONTROL)
    listed.admit(UserName("Anna"), ANNA.key, shown, NOW_S)
    (counted,) = listed.book.counted(NOW_S)
    listed.book.revoke(counted.id)
    listed.left(ANNA.id, NOW_S)
    assert listed.admit(UserName("Anna"), ANNA.key, shown, NOW_S + RETURN_S).scope is Scope.CONTROL
    listed.left(ANNA.id, NOW_S + RETURN_S)
    with pytest.raises(InviteRefused, match="withdrawn"):
        listed.admit(UserName("Anna"), ANNA.key, shown, NOW_S + 2 * RETURN_S + 1)


def test_who_lost_its_connection_is_told_by_its_key_not_its_name() -> None:
    listed = guests(invite_only=True)
    listed.admit(UserName("Anna"), ANNA.key, token(listed), NOW_S)
    listed.left(ANNA.id, NOW_S)
    with pytest.raises(HocketError, match="with an invite"):
        listed.admit(UserName("Anna"), Person("another login").key, None, NOW_S)


def test_who_was_sent_away_needs_an_invite_that_is_good() -> None:
    listed = guests(invite_only=True)
    shown = token(listed)
    listed.admit(UserName("Anna"), ANNA.key, shown, NOW_S)
    (counted,) = listed.book.counted(NOW_S)
    listed.book.revoke(counted.id)
    listed.send_away(ANNA.id, NOW_S)
    listed.left(ANNA.id, NOW_S)
    with pytest.raises(HocketError, match="sent you away") as refused:
        listed.admit(UserName("Anna"), ANNA.key, shown, NOW_S + AWAY_S - 1)
    assert refused.value.code is ErrorCode.NOT_ALLOWED
    with pytest.raises(InviteRefused, match="withdrawn"):
        listed.admit(UserName("Anna"), ANNA.key, shown, NOW_S + AWAY_S)


def test_who_was_sent_away_does_not_come_back_by_itself() -> None:
    """Where the reason was lost on the way, its client would try again at once."""
    listed = guests()
    listed.admit(UserName("Anna"), ANNA.key, None, NOW_S)
    listed.send_away(ANNA.id, NOW_S)
    with pytest.raises(HocketError, match="sent you away"):
        listed.admit(UserName("Anna"), ANNA.key, None, NOW_S)
    listed.admit(UserName("Anna"), ANNA.key, None, NOW_S + AWAY_S)


def test_a_successor_lets_in_whom_the_host_had_let_in_and_nobody_who_was_banned() -> None:
    first = guests(invite_only=True)
    first.ban(UserName("Mallory"), NOW_S, 60)
    heir = guests(invite_only=True)
    heir.inherit_bans(first.bans(NOW_S))
    heir.expect([ANNA.id, Person("mallory").id], NOW_S)
    assert heir.admit(UserName("Anna"), ANNA.key, None, NOW_S + RETURN_S).scope is Scope.LISTEN
    with pytest.raises(HocketError, match="does not want you"):
        heir.admit(UserName("Mallory"), Person("mallory").key, None, NOW_S)
    with pytest.raises(HocketError, match="with an invite"):
        heir.admit(UserName("Ben"), Person("ben").key, None, NOW_S)


def test_who_returns_with_an_invite_has_the_rights_of_the_invite() -> None:
    heir = guests()
    shown = token(heir, Scope.CONTROL)
    heir.expect([ANNA.id], NOW_S)
    assert heir.admit(UserName("Anna"), ANNA.key, shown, NOW_S).scope is Scope.CONTROL
