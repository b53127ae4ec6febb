"""Join tokens and the machines that came by them, inside a transaction of the store."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from hocket.adapters.records.schema import join_tokens
from hocket.adapters.records.schema import joined_nodes as joined
from hocket.adapters.records.schema import removed_nodes as removed
from hocket.auth.jointokens import JoinedNode, JoinRequest, TokenRecord, judge_join
from hocket.core.ids import NodeId

FORGET_S = 7 * 86400
"""A token that ran out is remembered for this long, to say so to whoever comes late."""


def add_token(connection: Connection, record: TokenRecord, now_unix_s: int) -> None:
    """Keep a token; forget old ones."""
    connection.execute(delete(join_tokens).where(join_tokens.c.expires_unix_s < now_unix_s - FORGET_S))
    connection.execute(
        insert(join_tokens).values(
            id=record.id,
            secret_hash=record.secret_hash,
            uses=record.uses,
            used=record.used,
            expires_unix_s=record.expires_unix_s,
        )
    )


def join(connection: Connection, asked: JoinRequest, now_unix_s: int) -> None:
    """Judge a request and count it. Raises TokenRefused."""
    token_id = asked.token_id.hex()
    # The lock makes two joins at once count twice, where the database knows locks of rows.
    token = connection.execute(select(join_tokens).where(join_tokens.c.id == token_id).with_for_update()).one_or_none()
    known = connection.execute(select(joined).where(joined.c.node_id == asked.node)).one_or_none()
    is_removed = connection.execute(select(removed).where(removed.c.node_id == asked.node)).one_or_none() is not None
    counts = judge_join(
        asked,
        None if token is None else _token(token),
        None if known is None else _node(known),
        is_removed,
        now_unix_s,
    )
    if not counts:
        return
    connection.execute(update(join_tokens).where(join_tokens.c.id == token_id).values(used=join_tokens.c.used + 1))
    connection.execute(delete(joined).where(joined.c.node_id == asked.node))
    connection.execute(
        insert(joined).values(
            node_id=asked.node, public_key=asked.public_key.hex(), token_id=token_id, joined_unix_s=now_unix_s
        )
    )


def joined_nodes(connection: Connection) -> list[JoinedNode]:
    """Machines that joined and were not removed, by id."""
    inside = select(joined).where(joined.c.node_id.not_in(select(removed.c.node_id))).order_by(joined.c.node_id)
    return [_node(row) for row in connection.execute(inside)]


def remove_nodes(connection: Connection, nodes: Collection[NodeId], now_unix_s: int) -> None:
    """Remember that these are out."""
    for node in set(nodes) - removed_nodes(connection):
        connection.execute(insert(removed).values(node_id=node, removed_unix_s=now_unix_s))


def removed_nodes(connection: Connection) -> frozenset[NodeId]:
    """All that are out."""
    return frozenset(NodeId(node) for node in connection.execute(select(removed.c.node_id)).scalars())


def _token(row: Row[Any]) -> TokenRecord:
    return TokenRecord(row.id, row.secret_hash, row.uses, row.used, row.expires_unix_s)


def _node(row: Row[Any]) -> JoinedNode:
    return JoinedNode(NodeId(row.node_id), bytes.fromhex(row.public_key), row.token_id)
