from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.relay.keys import GroupId, fingerprint
from hocket.relay.lineage import (
    MAX_LINKS,
    MAX_SUCCESSORS,
    NEARER_US,
    Claim,
    Reign,
    Roster,
    SignedClaim,
    accept,
    accept_from_invite,
    found,
    line_up,
    sign_roster,
    succeed,
)
from tests.relay.people import Person

GROUP = GroupId("0" * 32)
ANNA, BEN, CLARA, DORA, MALLORY = (Person(name) for name in ("anna", "ben", "clara", "dora", "mallory"))


def with_roster(reign: Reign, host: Person, *successors: Person) -> Reign:
    roster = Roster(GROUP, reign.claim.epoch, 1, tuple(person.key for person in successors))
    return msgspec.structs.replace(reign, roster=sign_roster(roster, host.sign))


def chain(*people: Person) -> Reign:
    """A reign that went from hand to hand."""
    reign = found(GROUP, people[0].key, people[0].sign)
    for host, heir in pairwise(people):
        reign = succeed(with_roster(reign, host, heir, DORA), heir.key, heir.sign, ())
    return reign


FIRST = chain(ANNA)


def test_a_chain_of_claims_is_accepted_by_whoever_knew_an_earlier_host() -> None:
    later = chain(ANNA, BEN, CLARA)
    assert later.claim.epoch == 2
    assert accept(later, FIRST) == later
    assert accept(later, chain(ANNA, BEN)) == later
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(later), type=Reign) == later


def test_branches_of_a_split_accept_one_another() -> None:
    left, right = chain(ANNA, BEN), chain(ANNA, DORA, CLARA)
    assert accept(right, left) == right
    assert accept(left, right) == left


def test_a_stranger_and_a_group_of_its_own_are_not_accepted() -> None:
    assert accept(chain(MALLORY), FIRST) is None
    assert accept(chain(MALLORY, ANNA), FIRST) is None
    other = found(GroupId("f" * 32), ANNA.key, ANNA.sign)
    assert accept(other, FIRST) is None


def test_who_is_on_no_roster_cannot_claim() -> None:
    assert accept(succeed(with_roster(FIRST, ANNA, BEN), MALLORY.key, MALLORY.sign, ()), FIRST) is None


def test_nobody_signs_a_roster_but_the_host() -> None:
    usurped = with_roster(FIRST, MALLORY, MALLORY)
    assert accept(succeed(usurped, MALLORY.key, MALLORY.sign, ()), FIRST) is None
    mine = chain(ANNA, BEN)
    assert accept(with_roster(mine, MALLORY, MALLORY), FIRST) is None


def test_nobody_claims_in_anothers_name() -> None:
    stolen = succeed(with_roster(FIRST, ANNA, BEN), BEN.key, MALLORY.sign, ())
    assert accept(stolen, FIRST) is None


def test_epochs_rise_by_one() -> None:
    right = with_roster(FIRST, ANNA, BEN).roster
    claim = Claim(GROUP, 7, BEN.key, right)
    leap = Reign((*FIRST.links, SignedClaim(claim, b"")), sign_roster(Roster(GROUP, 7, 0, ()), BEN.sign))
    assert accept(leap, FIRST) is None


def test_a_roster_is_good_for_its_own_epoch_only() -> None:
    old = with_roster(FIRST, ANNA, BEN, CLARA)
    later = succeed(old, BEN.key, BEN.sign, ())
    replayed = succeed(msgspec.structs.replace(later, roster=old.roster), CLARA.key, CLARA.sign, ())
    assert accept(replayed, FIRST) is None


def test_links_before_the_common_one_are_my_own() -> None:
    later = chain(ANNA, BEN, CLARA)
    forged = chain(MALLORY).links + later.links[1:]
    accepted = accept(Reign(forged, later.roster), chain(ANNA, BEN))
    assert accepted is not None
    assert accepted.links[0] == FIRST.links[0]
    assert accepted == later


def test_an_empty_or_endless_chain_is_not_accepted() -> None:
    assert accept(Reign(FIRST.links * (MAX_LINKS + 1), FIRST.roster), FIRST) is None


def test_a_long_life_is_trimmed_and_fits_a_frame() -> None:
    reign = FIRST
    names = [Person(f"p{number}") for number in range(MAX_SUCCESSORS)]
    host = ANNA
    mine = FIRST
    for number in range(MAX_LINKS + 9):
        heir = names[number % MAX_SUCCESSORS]
        reign = succeed(with_roster(reign, host, *names), heir.key, heir.sign, ())
        host = heir
        if number == 9:
            mine = reign
    assert len(reign.links) == MAX_LINKS
    assert len(msgspec.msgpack.encode(reign)) < 32 * 1024
    assert accept(reign, mine) is not None
    assert accept(reign, FIRST) is None


def test_rosters_are_short() -> None:
    crowd = tuple(Person(f"p{number}").key for number in range(MAX_SUCCESSORS + 5))
    assert (
        len(succeed(with_roster(FIRST, ANNA, BEN), BEN.key, BEN.sign, crowd).roster.roster.successors) == MAX_SUCCESSORS
    )
    too_long = sign_roster(Roster(GROUP, 0, 1, crowd), ANNA.sign)
    assert accept(Reign(FIRST.links, too_long), FIRST) is None


def test_an_invite_by_a_host_that_has_gone_still_finds_the_group() -> None:
    later = chain(ANNA, BEN, CLARA)
    assert accept_from_invite(later, GROUP, fingerprint(ANNA.key)) == later
    by_ben = accept_from_invite(later, GROUP, fingerprint(BEN.key))
    assert by_ben is not None
    assert [link.claim.host_key for link in by_ben.links] == [BEN.key, CLARA.key]
    assert accept_from_invite(later, GROUP, fingerprint(MALLORY.key)) is None
    assert accept_from_invite(later, GroupId("f" * 32), fingerprint(ANNA.key)) is None


@pytest.mark.parametrize("key", [b"", b"short", b"\xff" * 32])
def test_what_is_no_key_signs_nothing(key: bytes) -> None:
    fake = Claim(GROUP, 0, key)
    assert accept_from_invite(Reign((SignedClaim(fake, b"x" * 64),), FIRST.roster), GROUP, fingerprint(key)) is None


def test_the_higher_epoch_wins_and_the_lower_id_in_the_same() -> None:
    a, b = sorted((ANNA, BEN), key=lambda person: person.id)
    low, high = Claim(GROUP, 3, a.key), Claim(GROUP, 4, b.key)
    assert high.beats(low)
    assert not low.beats(high)
    assert low.beats(Claim(GROUP, 3, b.key))
    assert not Claim(GROUP, 3, b.key).beats(low)
    assert not low.beats(low)


KEYS = st.binary(min_size=1, max_size=2)
DISTANCES = st.dictionaries(KEYS, st.integers(0, 10 * NEARER_US), max_size=2 * MAX_SUCCESSORS)


@given(DISTANCES, st.lists(KEYS, unique=True, max_size=MAX_SUCCESSORS), st.booleans())
def test_successors_stay_in_line_until_somebody_is_much_nearer(
    able: dict[bytes, int], before: list[bytes], anew: bool
) -> None:
    line = line_up(before, able, anew=anew)
    assert set(line) <= set(able)
    assert len(line) == len(set(line)) == min(MAX_SUCCESSORS, len(able))
    assert line_up(line, able, anew=anew) == line, "nothing has changed"
    if anew:
        assert all(able[after] - able[first] > -NEARER_US for first, after in pairwise(line))
    else:
        assert list(line[: sum(key in able for key in before)]) == [key for key in before if key in able]


def test_distances_that_waver_change_no_roster() -> None:
    able = {person.key: 30_000 for person in (BEN, CLARA, DORA)}
    line = line_up((), able, anew=True)
    for number, key in enumerate(line):
        wavering = {**able, key: 30_000 - NEARER_US + 1 + number}
        assert line_up(line, wavering, anew=True) == line
    assert line_up(line, {**able, line[2]: 30_000 - NEARER_US}, anew=True) == (line[2], line[0], line[1])
    assert line_up(line, {**able, line[2]: 0}, anew=False) == line
