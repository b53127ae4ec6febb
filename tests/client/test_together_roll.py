"""What friends are told of one another: everything once, and nothing twice."""

from hypothesis import given
from hypothesis import strategies as st

from hocket.client.together.roll import Roll
from hocket.relay.keys import PeerId
from hocket.wire.messages.together import Members, Report


def report(name: str, offset_us: int = 0, address: str = "") -> Report:
    return Report(name, name, address, offset_us, 0, 0, b"key")


def members(*reports: Report) -> dict[PeerId, Report]:
    return {PeerId(one.peer): one for one in reports}


def test_who_comes_and_goes_is_told_at_once() -> None:
    roll = Roll({})
    assert roll.changes(members(report("a"), report("b"))) == Members((report("a"), report("b")), whole=False)
    assert roll.changes(members(report("a"), report("b"))) is None
    assert roll.changes(members(report("b"))) == Members((), whole=False, gone=("a",))
    assert roll.whole() == Members((report("b"),))


def test_measurements_take_turns_and_addresses_do_not() -> None:
    roll = Roll(members(report("a"), report("b"), report("c")))
    now = members(report("a", 1), report("b", 1), report("c", address="here:1"))
    assert roll.changes(now) == Members((report("c", address="here:1"),), whole=False)
    assert roll.changes(now, turns=1.0) == Members((report("a", 1),), whole=False)
    now = members(report("a", 2), report("b", 2), report("c", address="here:1"))
    assert roll.changes(now, turns=1.0) == Members((report("b", 2),), whole=False), "who waited longest"


def test_newcomers_wait_where_the_line_is_thin() -> None:
    roll = Roll({})
    many = members(*(report(str(number)) for number in range(20)))
    for fresh, told in ((0.0, 8), (0.5, 0), (0.5, 1), (3.0, 3)):
        news = roll.changes(many, fresh=fresh)
        assert len(news.members if news is not None else ()) == told
    assert len(roll.whole().members) == 12, "who comes now will be told of the others with everybody else"
    gone = roll.changes(members(report("19")), fresh=0.0)
    assert gone is not None
    assert len(gone.gone) == 12, "nobody is told that a stranger is gone"


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3)), max_size=20))
def test_who_hears_all_changes_knows_who_is_here(steps: list[dict[str, int]]) -> None:
    roll = Roll({})
    known: set[str] = set()
    for step in steps:
        news = roll.changes(members(*(report(name, offset) for name, offset in step.items())), turns=0.5)
        if news is not None:
            known = (known - set(news.gone)) | {one.peer for one in news.members}
        assert known == set(step) == {one.peer for one in roll.whole().members}
