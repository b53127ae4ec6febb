"""Who measures what next: everybody in the end, nobody often."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hocket.core.clock import NS_PER_S
from hocket.relay.keys import PeerId
from hocket.relay.survey import AGAIN_NS, MOST, OLD_NS, REST_NS, Survey

RELAYS = [PeerId(f"r{number}") for number in range(10)]


@given(st.integers(1, 20), st.integers(1, 10))
def test_all_ways_are_measured_in_the_end_and_then_there_is_peace(followers: int, relays: int) -> None:
    survey = Survey()
    peers = [PeerId(f"f{number}") for number in range(followers)]
    asked: dict[PeerId, list[tuple[int, list[PeerId]]]] = {peer: [] for peer in peers}
    for second in range(200):
        found = survey.next(peers, lambda _: RELAYS[:relays], second * NS_PER_S)
        if found is not None:
            asked[found[0]].append((second, found[1]))
    for times in asked.values():
        assert sorted(one for _, wanted in times for one in wanted) == sorted(RELAYS[:relays]), "each once"
        assert all(len(wanted) <= MOST for _, wanted in times)
        assert all(later[0] - former[0] >= AGAIN_NS // NS_PER_S for former, later in pairwise(times))
    assert survey.next(peers, lambda _: RELAYS[:relays], OLD_NS + 200 * NS_PER_S) is not None, "ways may change"


def test_only_what_was_asked_for_counts_and_once() -> None:
    survey = Survey()
    one, other = PeerId("one"), PeerId("other")
    assert survey.next([one], lambda _: RELAYS[:2], 0) == (one, RELAYS[:2])
    assert survey.awaits(one)
    assert not survey.awaits(other)
    assert survey.answered(other, RELAYS) == []
    assert survey.answered(one, RELAYS) == RELAYS[:2]
    assert survey.answered(one, RELAYS) == []


def test_who_was_moved_rests() -> None:
    survey = Survey()
    survey.moved(RELAYS[0], 5)
    assert survey.resting(REST_NS) == {RELAYS[0]}
    assert survey.resting(REST_NS + 5) == set()
    survey.moved(RELAYS[1], 5)
    survey.gone(RELAYS[1])
    assert survey.resting(6) == set()
