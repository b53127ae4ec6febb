"""Asking a router for a port by UPnP: the search (SSDP), its description, and three SOAP actions, as texts.

Whatever answers in a network is a stranger: addresses must stay on the machine that answered, documents
are bounded and may define no entities, and what cannot be read is no router.
"""

import re
from collections.abc import Mapping
from xml.etree import ElementTree

import msgspec

SEARCH_AT = ("239.255.255.250", 1900)
MAX_DOCUMENT_BYTES = 64 * 1024
MAX_URL_CHARS = 512

_GATEWAYS = (
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
)
_CONNECTIONS = (
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
)
_LOCATION = re.compile(rb"^location:[ \t]*(\S+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_URL = re.compile(r"http://(?P<host>[0-9.]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!-~]*)?", re.ASCII | re.IGNORECASE)

CONFLICT = 718
ONLY_PERMANENT = 725


class Place(msgspec.Struct, frozen=True):
    """Where to ask: a URL taken apart. `path` begins with a slash."""

    host: str
    port: int
    path: str


class Control(msgspec.Struct, frozen=True):
    """Where a router takes orders, and under which name."""

    at: Place
    service: str


class Fault(msgspec.Struct, frozen=True):
    """A router's refusal, with UPnP's number."""

    code: int
    text: str = ""


def searches() -> list[bytes]:
    """The datagrams that make routers answer within a second."""
    return [
        "\r\n".join(
            [
                "M-SEARCH * HTTP/1.1",
                f"HOST: {SEARCH_AT[0]}:{SEARCH_AT[1]}",
                'MAN: "ssdp:discover"',
                "MX: 1",
                f"ST: {what}",
                "",
                "",
            ]
        ).encode()
        for what in _GATEWAYS
    ]


def read_found(answer: bytes, sender: str) -> Place | None:
    """Where the description of whoever answered is; None unless it is on that very machine."""
    if not answer.startswith(b"HTTP/1.") or b" 200 " not in answer[:16]:
        return None
    found = _LOCATION.search(answer)
    return None if found is None else _place(found[1].decode("ascii", "replace"), sender)


def read_description(document: bytes, at: Place) -> Control | None:
    """Where a gateway takes orders for its connection; None for what is no gateway."""
    tree = _tree(document)
    if tree is None:
        return None
    base = _place((tree.findtext("{*}URLBase") or "").strip(), at.host) or at
    for wanted in _CONNECTIONS:
        for service in tree.iterfind(".//{*}service"):
            if (service.findtext("{*}serviceType") or "").strip() != wanted:
                continue
            place = _beside(base, (service.findtext("{*}controlURL") or "").strip())
            if place is not None:
                return Control(place, wanted)
    return None


def order(control: Control, action: str, arguments: Mapping[str, object]) -> tuple[dict[str, str], bytes]:
    """Headers and body of a SOAP request."""
    inner = "".join(f"<{name}>{_escaped(str(value))}</{name}>" for name, value in arguments.items())
    body = (
        '<?xml version="1.0"?>\r\n'
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        f'<u:{action} xmlns:u="{control.service}">{inner}</u:{action}>'
        "</s:Body></s:Envelope>\r\n"
    ).encode()
    return {"Content-Type": 'text/xml; charset="utf-8"', "SOAPAction": f'"{control.service}#{action}"'}, body


def read_answer(document: bytes, action: str) -> dict[str, str] | Fault | None:
    """The values that a router answered with, or its refusal; None for what cannot be read."""
    tree = _tree(document)
    if tree is None:
        return None
    error = tree.findtext(".//{*}UPnPError/{*}errorCode") or ""
    if error.strip().isdigit() and len(error) < 9:
        return Fault(int(error), (tree.findtext(".//{*}UPnPError/{*}errorDescription") or "").strip()[:100])
    answer = tree.find(f".//{{*}}{action}Response")
    if answer is None:
        return None
    return {child.tag.rpartition("}")[2]: (child.text or "").strip()[:200] for child in answer}


def mapping(internal_host: str, internal_port: int, external_port: int, lease_s: int) -> dict[str, object]:
    """Arguments of AddPortMapping."""
    return {
        "NewRemoteHost": "",
        "NewExternalPort": external_port,
        "NewProtocol": "TCP",
        "NewInternalPort": internal_port,
        "NewInternalClient": internal_host,
        "NewEnabled": 1,
        "NewPortMappingDescription": "Hocket",
        "NewLeaseDuration": lease_s,
    }


def unmapping(external_port: int) -> dict[str, object]:
    """Arguments of DeletePortMapping."""
    return {"NewRemoteHost": "", "NewExternalPort": external_port, "NewProtocol": "TCP"}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _tree(document: bytes) -> ElementTree.Element | None:
    if len(document) > MAX_DOCUMENT_BYTES or b"<!DOCTYPE" in document or b"<!ENTITY" in document:
        return None
    try:
        return ElementTree.fromstring(document)
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError):
        return None


def _beside(base: Place, url: str) -> Place | None:
    """What a URL means in a document of that place, as far as it stays on that host."""
    if "://" in url:
        return _place(url, base.host)
    path = url if url.startswith("/") else base.path.rpartition("/")[0] + f"/{url}"
    return _place(f"http://{base.host}:{base.port}{path}", base.host)


def _place(url: str, host: str) -> Place | None:
    """A URL that leads to this very host, and to nothing else."""
    found = _URL.fullmatch(url) if len(url) <= MAX_URL_CHARS else None
    if found is None or found["host"] != host:
        return None
    port = int(found["port"] or 80)
    return Place(host, port, found["path"] or "/") if 0 < port < 65536 else None
