import msgspec
import pytest

from hocket.core.errors import ProtocolError
from hocket.core.ids import UserName
from hocket.relay.admission import MAX_BANS
from hocket.relay.invites import MAX_INVITES, MAX_USES, Counted, Scope
from hocket.relay.keys import GroupId
from hocket.relay.ledger import Account, House, Ledger, SignedAccount, SignedHouse, sign_account, sign_house
from hocket.relay.lineage import Claim
from tests.relay.people import Person

GROUP = GroupId("0123456789abcdef" * 2)
HOST, MALLORY = Person("host"), Person("mallory")
CLAIM = Claim(GROUP, 3, HOST.key)
NOW_S = 1_700_000_000
OPEN = Counted(b"invite", NOW_S + 60, 3, Scope.CONTROL, ("Anna",))


def account(counted: Counted = OPEN, group: GroupId = GROUP, epoch: int = 3, by: Person = HOST) -> SignedAccount:
    return sign_account(Account(group, epoch, counted), by.sign)


def house(
    version: int = 0, bans: tuple[tuple[UserName, int], ...] = (), epoch: int = 3, by: Person = HOST
) -> SignedHouse:
    return sign_house(House(GROUP, epoch, version, True, bans), by.sign)


def test_what_the_host_tells_is_kept() -> None:
    ledger = Ledger()
    ledger.take_account(account(), CLAIM, NOW_S)
    ledger.take_house(house(), CLAIM)
    assert ledger.invites == (OPEN,)
    assert ledger.house is not None
    assert ledger.house.invite_only


@pytest.mark.parametrize(
    "forged",
    [
        account(by=MALLORY),
        account(group=GroupId("f" * 32)),
        SignedAccount(Account(GROUP, 3, msgspec.structs.replace(OPEN, uses_left=200)), account().signature),
        account(msgspec.structs.replace(OPEN, friends=tuple(map(str, range(MAX_USES + 1))))),
    ],
)
def test_nobody_else_keeps_count(forged: SignedAccount) -> None:
    ledger = Ledger()
    with pytest.raises(ProtocolError, match="only the host"):
        ledger.take_account(forged, CLAIM, NOW_S)
    assert ledger.invites == ()


@pytest.mark.parametrize(
    "forged",
    [
        house(by=MALLORY),
        house(bans=tuple((UserName(str(number)), NOW_S) for number in range(MAX_BANS + 1))),
        SignedHouse(House(GROUP, 3, 9, False), house().signature),
    ],
)
def test_nobody_else_makes_rules(forged: SignedHouse) -> None:
    ledger = Ledger()
    with pytest.raises(ProtocolError, match="only the host"):
        ledger.take_house(forged, CLAIM)
    assert ledger.house is None


def test_an_old_count_shown_again_opens_nothing() -> None:
    ledger = Ledger()
    revoked = msgspec.structs.replace(OPEN, revoked=True, uses_left=1)
    for one in (OPEN, revoked, OPEN):
        ledger.take_account(account(one), CLAIM, NOW_S)
    assert ledger.invites == (revoked,)


def test_later_rules_hold() -> None:
    ledger = Ledger()
    banned = ((UserName("Mallory"), NOW_S + 9),)
    for one in (house(1), house(2, banned), house(1)):
        ledger.take_house(one, CLAIM)
    assert ledger.house is not None
    assert ledger.house.bans == banned
    heir = Person("heir")
    ledger.take_house(sign_house(House(GROUP, 4, 0, False), heir.sign), Claim(GROUP, 4, heir.key))
    assert not ledger.house.invite_only


def test_the_ledger_is_bounded_and_forgets_what_has_expired() -> None:
    ledger = Ledger()
    for number in range(MAX_INVITES + 9):
        counted = msgspec.structs.replace(OPEN, id=number.to_bytes(6, "big"), expires_s=NOW_S + 60 + number // 32)
        ledger.take_account(account(counted), CLAIM, NOW_S)
    assert len(ledger.invites) == MAX_INVITES
    ledger.take_account(account(msgspec.structs.replace(OPEN, expires_s=NOW_S + 99)), CLAIM, NOW_S + 60)
    assert len(ledger.invites) == MAX_INVITES - 32 + 1


def test_a_piece_of_the_ledger_fits_into_a_frame() -> None:
    long_names = tuple(f"{number:03}".ljust(64, "ü") for number in range(MAX_USES))
    full = account(Counted(b"invite", NOW_S, 0, Scope.LISTEN, long_names))
    assert len(msgspec.msgpack.encode(full)) < 60 * 1024
    bans = tuple((UserName(f"{number:03}".ljust(64, "ü")), NOW_S) for number in range(MAX_BANS))
    assert len(msgspec.msgpack.encode(house(bans=bans))) < 60 * 1024


@pytest.mark.parametrize("epoch", [2, 4])
def test_another_epochs_books_are_passed_over(epoch: int) -> None:
    """They may still be on their way while the host changes."""
    ledger = Ledger()
    ledger.take_account(account(epoch=epoch), CLAIM, NOW_S)
    ledger.take_house(house(epoch=epoch), CLAIM)
    assert ledger.invites == ()
    assert ledger.house is None
