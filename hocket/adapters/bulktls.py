"""TLS through memory instead of on the socket: one system call carries many records.

An SSLSocket makes a system call for each record that it sends, and two for each that it receives, 16 KiB at
most. For files that is more work than the encryption itself.
"""

import contextlib
import socket
import ssl
from typing import Any, cast

SEND_BYTES = 64 * 1024
"""Encrypted and sent at once: what is between the two stays in a core's cache."""

MAX_RECORD_BYTES = 5 + 16 * 1024 + 256

CLOSE_NOTIFY_BYTES = 24
"""The last record of TLS 1.3: header, alert, its type and tag."""


class BulkTls:
    """One connection's TLS with the methods and errors of an SSLSocket, on a blocking or non-blocking socket.

    The handshake is `do_handshake`. For one thread at a time.
    """

    __slots__ = ("_accepted_bytes", "_ending_bytes", "_incoming", "_outgoing", "_room", "_sock", "_tls", "_unsent")

    def __init__(
        self, sock: socket.socket, context: ssl.SSLContext, room: memoryview, *, server_side: bool = False
    ) -> None:
        """`room`: where received records are put before they are decrypted; may be shared within a thread."""
        self._sock = sock
        self._room = room
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side)
        self._unsent = memoryview(b"")
        self._accepted_bytes = 0  # of the data whose records are not all sent yet
        self._ending_bytes = 0  # of the other side's last record

    @property
    def inner(self) -> socket.socket:
        """The socket below."""
        return self._sock

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def getpeercert(self) -> dict[str, Any] | None:
        return self._tls.getpeercert()

    def pending(self) -> int:
        """Bytes that came already, decrypted or not: no event of the socket tells of them."""
        return self._tls.pending() + self._incoming.pending

    def do_handshake(self) -> None:
        """Raises SSLWantReadError, SSLWantWriteError (call again then), OSError."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                if not self._take_in(len(self._room)):
                    raise ConnectionResetError("the connection ended in the handshake") from None
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    self._flush()  # the other side is told why
                raise
            else:
                self._flush()
                return

    def send(self, data: bytes | memoryview) -> int:
        """Encrypt and send the beginning of some bytes; how many of them.

        SSLWantWriteError: the socket is full; come back with the same bytes.
        """
        if not self._accepted_bytes:
            self._accepted_bytes = self._tls.write(data[:SEND_BYTES])
        self._flush()
        accepted_bytes, self._accepted_bytes = self._accepted_bytes, 0
        return accepted_bytes

    def sendall(self, data: bytes | memoryview) -> None:
        """For blocking sockets."""
        with memoryview(data) as view:
            at = 0
            while at < len(view):
                at += self.send(view[at:])

    def recv_into(self, buffer: memoryview, size_bytes: int = 0, coming_bytes: int = 0) -> int:
        """Some decrypted bytes; 0 at the end. SSLWantReadError: nothing is there.

        `coming_bytes`: so many are on their way for certain, so a blocking socket may wait for a room full of them.
        """
        wanted = size_bytes or len(buffer)
        while True:
            try:
                return cast(int, self._tls.read(wanted, buffer))
            except ssl.SSLWantReadError:
                # OpenSSL may hold the beginning of one record; and records are longer than what is in them.
                certain_bytes = coming_bytes - MAX_RECORD_BYTES
                if not self._take_in(certain_bytes if certain_bytes > 0 else len(self._room), certain_bytes > 0):
                    return 0

    def unwrap(self) -> None:
        """End TLS: `inner` goes on without it. Raises as `do_handshake`."""
        while True:
            try:
                self._tls.unwrap()
            except ssl.SSLWantReadError:
                self._flush()
                # What follows that record is not TLS any more.
                count = self._take_in(max(1, CLOSE_NOTIFY_BYTES - self._ending_bytes))
                if not count:
                    raise ConnectionResetError("the connection ended before TLS did") from None
                self._ending_bytes += count
            else:
                self._flush()
                return

    def _take_in(self, size_bytes: int, wait_for_all: bool = False) -> int:
        part = self._room[:size_bytes]
        try:
            count = self._sock.recv_into(part, flags=socket.MSG_WAITALL if wait_for_all else 0)
        except BlockingIOError:
            raise ssl.SSLWantReadError from None
        self._incoming.write(part[:count])
        return count

    def _flush(self) -> None:
        try:
            while self._unsent or self._outgoing.pending:
                if not self._unsent:
                    self._unsent = memoryview(self._outgoing.read())
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            raise ssl.SSLWantWriteError from None
