"""Sockets between friends: TLS over raw TCP, with receive stamps good enough for a clock."""

from hocket.adapters.peers.dialling import connect
from hocket.adapters.peers.link import Owner, PeerLink
from hocket.adapters.peers.server import PeerServer
from hocket.adapters.peers.tls import PeerIdentity, new_identity

__all__ = ["Owner", "PeerIdentity", "PeerLink", "PeerServer", "connect", "new_identity"]
