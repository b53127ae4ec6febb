import pytest
from hypothesis import given
from hypothesis import strategies as st

from hocket.relay.igd import (
    MAX_DOCUMENT_BYTES,
    Control,
    Fault,
    Place,
    mapping,
    order,
    read_answer,
    read_description,
    read_found,
    searches,
    unmapping,
)

ROUTER = "192.168.1.1"
AT = Place(ROUTER, 5000, "/root/desc.xml")
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"


def found(location: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nCACHE-CONTROL: max-age=9\r\nLocation: {location}\r\nST: x\r\n\r\n".encode()


def description(control: str = "/ctl/IPConn", service: str = SERVICE, base: str = "", extra: str = "") -> bytes:
    return f"""<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0">{extra}<!-- a remark -->{base}<device><deviceList><device><serviceList>
<service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/no</controlURL></service>
<service><serviceType>{service}</serviceType><controlURL>{control}</controlURL></service>
</serviceList></device></deviceList></device></root>""".encode()


def answer(action: str, inner: str) -> bytes:
    return f"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
<u:{action}Response xmlns:u="{SERVICE}">{inner}</u:{action}Response></s:Body></s:Envelope>""".encode()


FAULT = b"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><detail>
<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>718</errorCode>
<errorDescription>ConflictInMappingEntry</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>"""


def test_the_search_is_as_the_standard_has_it() -> None:
    for search in searches():
        assert search.startswith(
            b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n'
        )
        assert search.endswith(b"\r\n\r\n")


def test_who_answers_says_where_its_description_is() -> None:
    assert read_found(found(f"http://{ROUTER}:5000/root/desc.xml"), ROUTER) == AT
    assert read_found(found(f"http://{ROUTER}"), ROUTER) == Place(ROUTER, 80, "/")


@pytest.mark.parametrize(
    "lie",
    [
        found("http://10.9.9.9:5000/desc.xml"),
        found("http://192.168.1.1@10.9.9.9/desc.xml"),
        found("http://192.168.1.1.evil.example/desc.xml"),
        found("http://127.0.0.1:22/"),
        found(f"https://{ROUTER}/desc.xml"),
        found(f"file://{ROUTER}/etc/passwd"),
        found(f"http://{ROUTER}:99999/"),
        found(f"http://{ROUTER}:0/"),
        found(f"http://{ROUTER}/" + "x" * 600),
        found(f"http://{ROUTER}/a\u00e4"),
        found(f"http://{ROUTER}:5000/desc.xml", "404 Not Found"),
        b"NOTIFY * HTTP/1.1\r\nLOCATION: http://192.168.1.1/\r\n\r\n",
        b"",
    ],
)
def test_nobody_is_sent_elsewhere(lie: bytes) -> None:
    assert read_found(lie, ROUTER) is None


@pytest.mark.parametrize(
    ("control", "base", "path"),
    [
        ("/ctl/IPConn", "", "/ctl/IPConn"),
        ("ctl?x=1", "", "/root/ctl?x=1"),
        (f"http://{ROUTER}:5000/abs", "", "/abs"),
        ("ctl", f"<URLBase>http://{ROUTER}:5000/other/</URLBase>", "/other/ctl"),
        ("/ctl", "<URLBase>http://10.9.9.9/</URLBase>", "/ctl"),
    ],
)
def test_a_gateway_is_found_in_its_description(control: str, base: str, path: str) -> None:
    assert read_description(description(control, base=base), AT) == Control(Place(ROUTER, 5000, path), SERVICE)


@pytest.mark.parametrize(
    "document",
    [
        description("http://10.9.9.9/ctl"),
        description(service="urn:schemas-upnp-org:service:SwitchPower:1"),
        description(control="/a b"),
        b'<!DOCTYPE r [<!ENTITY a "x">]>' + description(),
        b"<root>",
        b"\xff\xfe\x00",
        b"",
        description(extra=" " * MAX_DOCUMENT_BYTES),
    ],
)
def test_what_is_no_gateway_is_passed_over(document: bytes) -> None:
    assert read_description(document, AT) is None


def test_an_order_and_its_answers() -> None:
    control = Control(AT, SERVICE)
    headers, body = order(control, "AddPortMapping", mapping("192.168.1.5", 25566, 4000, 1200))
    assert headers["SOAPAction"] == f'"{SERVICE}#AddPortMapping"'
    assert b"<NewExternalPort>4000</NewExternalPort><NewProtocol>TCP</NewProtocol>" in body
    assert b"<NewLeaseDuration>1200</NewLeaseDuration>" in body
    assert read_answer(body, "AddPortMapping") is None, "a question is no answer"
    assert read_answer(answer("AddPortMapping", ""), "AddPortMapping") == {}
    outer = answer("GetExternalIPAddress", "<NewExternalIPAddress> 203.0.113.9 </NewExternalIPAddress>")
    assert read_answer(outer, "GetExternalIPAddress") == {"NewExternalIPAddress": "203.0.113.9"}
    assert read_answer(outer, "AddPortMapping") is None
    assert read_answer(FAULT, "AddPortMapping") == Fault(718, "ConflictInMappingEntry")
    assert b"<NewExternalPort>4000</NewExternalPort>" in order(control, "DeletePortMapping", unmapping(4000))[1]


def test_what_is_sent_cannot_break_out_of_its_element() -> None:
    _, body = order(Control(AT, SERVICE), "X", {"a": "</a><b>&"})
    assert b"<a>&lt;/a&gt;&lt;b&gt;&amp;</a>" in body


@given(st.binary(max_size=400))
def test_any_bytes_are_an_answer_or_nothing(document: bytes) -> None:
    assert read_description(document, AT) is None
    assert not isinstance(read_answer(document, "AddPortMapping"), dict)
    read_found(b"HTTP/1.1 200 OK\r\nLOCATION: " + document + b"\r\n\r\n", ROUTER)
