"""Who may send what: the whole table, role by role and kind by kind."""

import itertools

import pytest

from hocket.core.errors import ErrorCode, ProtocolError
from hocket.core.ids import Role
from hocket.wire import permissions
from hocket.wire.kinds import Kind
from hocket.wire.message import Message
from hocket.wire.messages import declared
from hocket.wire.messages.common import Done, Ping, Pong

MESSAGES = list(declared().values())
PEOPLE = {Role.LISTENER, Role.OPERATOR}
CONTROL = {Role.PRIME, Role.PLANE}

# The rules in words; the test below holds every declaration against them.
ONLY_PEOPLE_TO = {
    "FindLogin": {Role.PRIME},
    "FindStream": {Role.PRIME},
    "Login": {Role.AUTH},
    "Resume": {Role.AUTH},
    "SessionHeartbeat": {Role.AUTH},
    "LogOut": {Role.AUTH},
    "ListTracks": {Role.FILE},
    "FindTrack": {Role.FILE},
    "OpenTrack": {Role.FILE},
    "Present": {Role.FILE, Role.PRIME},
    "GetManifest": {Role.PRIME},
    "GetManifestPage": {Role.PRIME},
    "HostHere": {Role.PRIME},
    "MeetHost": {Role.PRIME},
    "Carry": {Role.PRIME},
    "CarryEnd": {Role.PRIME},
}

# Friends who listen together say to one another these and what everybody may say, and nothing else.
AMONG_FRIENDS = {
    *("JoinFriend", "AskTime", "LineNews", "ReignNews", "HandoverNews", "QueueNews", "AskManifest", "AskPage"),
    *(
        "TimeIs",
        "AskLeaf",
        "LeafNews",
        "LedgerNews",
        "Report",
        "Members",
        "Parents",
        "Wish",
        "Pulse",
        "Listens",
        "AskDistances",
        "Distances",
        "Held",
        "TimePace",
        "TrackNews",
    ),
}


def test_every_number_is_declared_once_and_only_once() -> None:
    assert set(declared()) == set(Kind)


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
def test_an_answer_is_never_sent_unasked(cls: type[Message]) -> None:
    answers = {message.reply for message in MESSAGES}
    if cls in answers and cls.__name__ != "ErrorReply":
        assert not cls.senders


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__name__)
def test_requests_name_both_sides(cls: type[Message]) -> None:
    assert bool(cls.senders) == bool(cls.receivers)


@pytest.mark.parametrize(("sender", "receiver"), list(itertools.product(Role, Role)))
def test_the_whole_table(sender: Role, receiver: Role) -> None:
    for cls in MESSAGES:
        allowed = permissions.may_send(cls, sender, receiver)
        assert allowed == (sender in cls.senders and receiver in cls.receivers)
        name = cls.__name__
        if name in {"Read", "CloseTrack"}:  # of a handle, which a control node gives to control nodes alone
            assert allowed == (sender in PEOPLE | CONTROL and receiver in {Role.FILE} | CONTROL)
        if name in ONLY_PEOPLE_TO:
            assert allowed == (sender in PEOPLE and receiver in ONLY_PEOPLE_TO[name])
        if sender is Role.LISTENER and receiver in {Role.PLANE, Role.LISTENER, Role.OPERATOR}:
            assert not allowed or name in {"Hello", "ErrorReply", "Ping", "Read", "CloseTrack"} | AMONG_FRIENDS
        if name in AMONG_FRIENDS:
            assert allowed == (sender is receiver is Role.LISTENER)


@pytest.mark.parametrize("cls", [cls for cls in MESSAGES if 60 <= cls.kind < 100], ids=lambda cls: cls.__name__)
def test_a_listener_speaks_no_node_message(cls: type[Message]) -> None:
    # Who joins has no certificate yet, and proves itself by a token.
    assert not cls.senders & PEOPLE or cls.__name__ == "Join"
    assert not cls.receivers & PEOPLE


@pytest.mark.parametrize("cls", [cls for cls in MESSAGES if 100 <= cls.kind < 140], ids=lambda cls: cls.__name__)
def test_only_an_operator_steers(cls: type[Message]) -> None:
    assert cls.senders <= {Role.OPERATOR}
    assert cls.receivers <= {Role.PRIME}


@pytest.mark.parametrize("role", [Role.FILE, Role.AUTH, Role.PLANE])
def test_no_child_commands_another(role: Role) -> None:
    for cls in MESSAGES:
        if role in cls.senders and cls.__name__ in {"SeatReserve", "CatalogueRefresh", "GrantRenew"}:
            assert role is Role.PLANE


def test_a_refusal_says_who_may_not_what() -> None:
    with pytest.raises(ProtocolError) as caught:
        permissions.check(Done(), Role.LISTENER, Role.PRIME)
    assert caught.value.code is ErrorCode.NOT_ALLOWED
    assert "listener" in str(caught.value)


def test_a_reply_must_be_the_declared_one() -> None:
    permissions.check_reply(Ping(), Pong())
    with pytest.raises(ProtocolError):
        permissions.check_reply(Ping(), Done())
