"""Addresses as people write them: HOST:PORT, [IPV6]:PORT, hocket://HOST:PORT#FINGERPRINT."""

import msgspec

from hocket.core.errors import ErrorCode, HocketError

SCHEME = "hocket://"
FINGERPRINT_DIGITS = 64


class BadAddress(HocketError):
    """Text that is no address; says what one looks like."""

    code = ErrorCode.USAGE


class HostPort(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A host (name or IP, no brackets) and a TCP port 0..65535."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, default_port: int | None = None) -> "HostPort":
        """Read HOST:PORT or [IPV6]:PORT. Raises BadAddress."""
        host, colon, port_text = text.strip().rpartition(":")
        if (not colon or port_text.endswith("]")) and default_port is not None:
            host, port_text = text.strip(), str(default_port)
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise BadAddress(f"{text!r} is no address", hint="write an IPv6 address in brackets, as in [::1]:50001")
        if not host or not port_text.isascii() or not port_text.isdigit() or int(port_text) > 65535:
            raise BadAddress(f"{text!r} is no address", hint="write HOST:PORT, as in 192.168.1.5:50001")
        return cls(host, int(port_text))

    @property
    def is_wildcard(self) -> bool:
        """Every interface of a machine: fit for listening, not for connecting from elsewhere."""
        return self.host in ("0.0.0.0", "::")

    @property
    def on_this_machine(self) -> "HostPort":
        """Where a process of the same machine connects to."""
        return HostPort({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host), self.port)

    @property
    def is_loopback(self) -> bool:
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ClusterAddress(msgspec.Struct, frozen=True):
    """Where a cluster is met, and by which fingerprint (SHA-256 of its CA, hex) it is known; "" = not told."""

    at: HostPort
    fingerprint: str = ""

    @classmethod
    def parse(cls, text: str, default_port: int | None = None) -> "ClusterAddress":
        """Read HOST:PORT or hocket://HOST:PORT#FINGERPRINT. Raises BadAddress."""
        bare = text.strip()
        if not bare.lower().startswith(SCHEME):
            return cls(HostPort.parse(bare, default_port))
        where, _, fingerprint = bare[len(SCHEME) :].partition("#")
        fingerprint = fingerprint.lower().replace(":", "")
        if fingerprint and (len(fingerprint) != FINGERPRINT_DIGITS or set(fingerprint) - set("0123456789abcdef")):
            raise BadAddress(
                f"the fingerprint in {text!r} is not {FINGERPRINT_DIGITS} hex digits", hint="copy the whole address"
            )
        return cls(HostPort.parse(where.rstrip("/"), default_port), fingerprint)

    def __str__(self) -> str:
        return f"{SCHEME}{self.at}#{self.fingerprint}" if self.fingerprint else str(self.at)
