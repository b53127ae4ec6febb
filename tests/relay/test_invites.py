import string
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.core.address import BadAddress, HostPort
from hocket.core.errors import ErrorCode, HocketError
from hocket.relay.invites import (
    INVITE_ID_BYTES,
    MAX_INVITE_S,
    MAX_INVITES,
    MAX_PLACES,
    MAX_USES,
    Counted,
    Invite,
    InviteBook,
    InviteRefused,
    JoinAddress,
    Scope,
)
from hocket.relay.keys import GroupId, canonical, fingerprint
from tests.relay.people import Person

GROUP = GroupId("0123456789abcdef" * 2)
HOST, SUCCESSOR, MALLORY = Person("host"), Person("successor"), Person("mallory")
NOW_S = 1_700_000_000
AT = HostPort("192.168.1.5", 25566)


def book(host: Person = HOST, *earlier: Person) -> InviteBook:
    return InviteBook(GROUP, [person.key for person in (host, *earlier)])


def mint(
    by: InviteBook, number: int = 0, life_s: int = 3_600, uses: int = 1, scope: Scope = Scope.LISTEN, at: HostPort = AT
) -> Invite:
    return by.mint(at, HOST.sign, number.to_bytes(INVITE_ID_BYTES, "big"), NOW_S, life_s, uses, scope)


# the text


def test_an_invite_is_one_line_to_paste() -> None:
    invite = mint(book(), scope=Scope.CONTROL)
    text = str(invite)
    assert text.startswith("hocket://192.168.1.5:25566#i1.")
    assert len(text) < 250
    assert set(text) <= set(string.ascii_letters + string.digits + "-_:/.#")
    parsed = JoinAddress.parse(text)
    assert parsed == JoinAddress(AT, invite)
    assert parsed.invite is not None
    assert parsed.invite.group == GROUP
    assert parsed.invite.host_fingerprint == fingerprint(HOST.key)


@pytest.mark.parametrize("host", ["::1", "fe80::1%eth0", "2001:db8::7", "music.example.org", "localhost"])
def test_any_kind_of_host_goes_there_and_back(host: str) -> None:
    invite = mint(book(), at=HostPort(host, 4711))
    assert JoinAddress.parse(str(invite)).at == HostPort(host, 4711)


@pytest.mark.parametrize(
    "frame", [" {} ", "<{}>", '"{}"', "`{}`", "{}\n", "\u200b{}", "'{}'", "HOCKET{}"], ids=lambda frame: repr(frame)
)
def test_what_comes_along_with_pasting_does_no_harm(frame: str) -> None:
    text = str(mint(book()))
    framed = frame.format(text.removeprefix("hocket") if "HOCKET" in frame else text)
    assert JoinAddress.parse(framed) == JoinAddress.parse(text)


def test_a_host_at_home_and_elsewhere_has_an_address_for_both() -> None:
    also = [HostPort("203.0.113.9", 4000), HostPort("2001:db8::7", 25566)]
    mine = book()
    invite = mine.mint(AT, HOST.sign, b"random", NOW_S, 60, also=also)
    assert str(invite).startswith("hocket://192.168.1.5:25566,203.0.113.9:4000,[2001:db8::7]:25566#i1.")
    parsed = JoinAddress.parse(str(invite))
    assert parsed.places == (AT, *also)
    assert parsed.invite == invite
    assert mine.redeem(parsed.invite.token, "Anna", NOW_S) is Scope.LISTEN


def test_a_friend_tries_no_more_than_a_few_addresses() -> None:
    many = [HostPort(f"10.0.0.{number}", 1) for number in range(20)]
    assert JoinAddress.parse("hocket://" + ",".join(map(str, many))).places == tuple(many[:MAX_PLACES])
    mine = book()
    assert len(mine.mint(AT, HOST.sign, b"random", NOW_S, 60, also=many).also) == MAX_PLACES - 1
    with pytest.raises(BadAddress):
        JoinAddress.parse("hocket://10.0.0.1:1,,10.0.0.2:1")


def test_a_line_broken_by_a_mail_program_is_whole_again() -> None:
    text = str(mint(book()))
    assert JoinAddress.parse(text[:70] + "\r\n" + text[70:140] + "\n  " + text[140:]) == JoinAddress.parse(text)


def test_a_bare_address_is_one_to_join_too() -> None:
    assert JoinAddress.parse("10.0.0.2:4000") == JoinAddress(HostPort("10.0.0.2", 4000))
    assert JoinAddress.parse("10.0.0.2", 25566) == JoinAddress(HostPort("10.0.0.2", 25566))
    assert JoinAddress.parse("hocket://[::1]:7/") == JoinAddress(HostPort("::1", 7))


@pytest.mark.parametrize("text", ["", "somewhere", "host:99999", "::1:80", "hocket://", "hocket://host:x#i1.AAAA"])
def test_what_is_no_address_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(BadAddress, match=r"HOST:PORT|brackets") as refused:
        JoinAddress.parse(text)
    assert refused.value.code is ErrorCode.USAGE


def test_a_clusters_address_is_told_apart() -> None:
    with pytest.raises(BadAddress, match="--prime"):
        JoinAddress.parse("hocket://10.0.0.2:50001#" + "ab" * 32)


def test_an_invite_that_was_cut_off_says_so() -> None:
    text = str(mint(book()))
    start = text.index("i1.") + 3
    for end in range(start, len(text) - 1):
        with pytest.raises(InviteRefused, match="copy the whole line") as refused:
            JoinAddress.parse(text[:end])
        assert refused.value.code is ErrorCode.INVITE_REFUSED


@given(st.text())
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    for candidate in (text, "hocket://h:1#" + text, "hocket://h:1#i1." + text):
        hint = "not needed"
        try:
            JoinAddress.parse(candidate)
        except (BadAddress, InviteRefused) as error:
            hint = error.hint
        assert hint


@given(st.binary(max_size=300))
def test_any_token_is_an_invite_or_refused(token: bytes) -> None:
    with pytest.raises(InviteRefused):
        book().redeem(token, "friend", NOW_S)


# the host's book


def test_an_invite_opens_what_it_says() -> None:
    mine = book()
    assert mine.redeem(mint(mine, 1).token, "Anna", NOW_S) is Scope.LISTEN
    assert mine.redeem(mint(mine, 2, scope=Scope.CONTROL).token, "Anna", NOW_S) is Scope.CONTROL


def test_uses_are_counted_by_friend_not_by_visit() -> None:
    mine = book()
    token = mint(mine, uses=2).token
    for friend in ("Anna", "Anna", "Ben", "Anna", "Ben"):
        mine.redeem(token, friend, NOW_S)
    with pytest.raises(InviteRefused, match="used up"):
        mine.redeem(token, "Clara", NOW_S)
    mine.redeem(token, "Ben", NOW_S)


def test_an_invite_expires_to_the_second() -> None:
    mine = book()
    token = mint(mine, life_s=10, uses=9).token
    mine.redeem(token, "Anna", NOW_S + 9)
    with pytest.raises(InviteRefused, match="expired"):
        mine.redeem(token, "Anna", NOW_S + 10)
    assert mine.counted(NOW_S + 10) == ()


def test_a_withdrawn_invite_tells_who_came_by_it_and_lets_nobody_in() -> None:
    mine = book()
    invite = mint(mine, uses=5)
    mine.redeem(invite.token, "Anna", NOW_S)
    revoked = mine.revoke(invite.terms.id)
    assert revoked is not None
    assert (revoked.friends, revoked.uses_left) == (("Anna",), 4)
    for friend in ("Anna", "Ben"):
        with pytest.raises(InviteRefused, match="withdrawn"):
            mine.redeem(invite.token, friend, NOW_S)
    assert mine.revoke(b"nobody") is None


@pytest.mark.parametrize(
    "change",
    [
        {"uses": 100},
        {"scope": Scope.CONTROL},
        {"expires_s": NOW_S + 10**6},
        {"id": b"\1" * INVITE_ID_BYTES},
        {"host_fingerprint": bytes.fromhex(fingerprint(MALLORY.key))},
    ],
)
def test_changed_terms_are_forged(change: dict[str, object]) -> None:
    mine = book()
    invite = mint(mine)
    forged = Invite(AT, msgspec.structs.replace(invite.terms, **change), invite.signature)
    with pytest.raises(InviteRefused, match="not made by the host"):
        mine.redeem(forged.token, "Anna", NOW_S)


def test_what_somebody_else_signed_is_forged() -> None:
    mine = book()
    terms = mint(mine).terms
    with pytest.raises(InviteRefused, match="not made by the host"):
        mine.redeem(Invite(AT, terms, MALLORY.sign(canonical(terms))).token, "Anna", NOW_S)


def test_an_invite_to_another_session_is_foreign() -> None:
    other = InviteBook(GroupId("f" * 32), [HOST.key])
    with pytest.raises(InviteRefused, match="another session"):
        book().redeem(mint(other).token, "Anna", NOW_S)


def test_a_successor_honours_and_counts_earlier_invites() -> None:
    first = book()
    used, open_, gone = (mint(first, number) for number in range(3))
    first.redeem(used.token, "Anna", NOW_S)
    first.revoke(gone.terms.id)
    second = book(SUCCESSOR, HOST)
    second.inherit(
        msgspec.msgpack.decode(msgspec.msgpack.encode(first.counted(NOW_S)), type=tuple[Counted, ...]), NOW_S
    )
    second.redeem(used.token, "Anna", NOW_S)
    second.redeem(open_.token, "Ben", NOW_S)
    for refused in (used, open_, gone):
        with pytest.raises(InviteRefused):
            second.redeem(refused.token, "Clara", NOW_S)


def test_a_successor_that_was_told_nothing_counts_anew() -> None:
    token = mint(book()).token
    second = book(SUCCESSOR, HOST)
    second.redeem(token, "Anna", NOW_S)
    with pytest.raises(InviteRefused, match="used up"):
        second.redeem(token, "Ben", NOW_S)


@pytest.mark.parametrize(("life_s", "uses"), [(0, 1), (-1, 1), (MAX_INVITE_S + 1, 1), (1, 0), (1, MAX_USES + 1)])
def test_terms_out_of_range_are_refused(life_s: int, uses: int) -> None:
    with pytest.raises(HocketError, match="at most 30 days"):
        mint(book(), life_s=life_s, uses=uses)


def test_the_book_is_bounded_and_never_forgets_what_still_counts() -> None:
    mine = book()
    first = mint(mine, 0, life_s=10)
    mine.revoke(first.terms.id)
    for number in range(1, MAX_INVITES):
        mint(mine, number)
    with pytest.raises(HocketError, match="out already"):
        mint(mine, 999)
    with pytest.raises(InviteRefused, match="withdrawn"):
        mine.redeem(first.token, "Anna", NOW_S + 9)
    later = mine.mint(AT, HOST.sign, b"later!", NOW_S + 10, 60)
    assert mine.redeem(later.token, "Anna", NOW_S + 11) is Scope.LISTEN


COUNTED = st.builds(
    Counted,
    st.just(b"random"),
    st.integers(NOW_S, NOW_S + 9),
    st.integers(0, 5),
    st.sampled_from(Scope),
    st.lists(st.sampled_from(["Anna", "Ben", "Clara"]), unique=True).map(tuple),
    st.booleans(),
)


@given(st.lists(COUNTED, min_size=1, max_size=5), st.randoms())
def test_in_whatever_order_news_of_an_invite_comes_the_strictest_holds(news: list[Counted], random: Random) -> None:
    one, other = book(), book()
    one.inherit(news, NOW_S - 1)
    again = [*news, news[0]]
    random.shuffle(again)
    for single in again:
        other.inherit([single], NOW_S - 1)
    (first,), (second,) = one.counted(NOW_S - 1), other.counted(NOW_S - 1)
    assert msgspec.structs.replace(second, friends=first.friends) == first
    assert set(second.friends) == set(first.friends)
    assert first.uses_left == min(single.uses_left for single in news)
    assert first.revoked is any(single.revoked for single in news)
