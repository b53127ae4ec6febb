"""The little HTTP that a router speaks: one request, a bounded answer, a bounded time."""

import asyncio
import contextlib
from collections.abc import Mapping

from hocket.relay.igd import MAX_DOCUMENT_BYTES, Place

TIMEOUT_S = 3.0
MAX_HEAD_BYTES = 8 * 1024


async def fetch(at: Place, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> tuple[bytes, str]:
    """Get, or with a body post: the answer's body, whatever its status, and our own address as the router sees it.

    Raises OSError (TimeoutError included).
    """
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection(at.host, at.port, limit=MAX_HEAD_BYTES)
        try:
            head = [f"{'GET' if body is None else 'POST'} {at.path} HTTP/1.1", f"Host: {at.host}:{at.port}"]
            head += ["Connection: close", "User-Agent: Hocket UPnP/1.1"]
            head += [f"{name}: {value}" for name, value in (headers or {}).items()]
            head += [f"Content-Length: {len(body)}"] if body is not None else []
            writer.write("\r\n".join([*head, "", ""]).encode() + (body or b""))
            own_host = str(writer.get_extra_info("sockname")[0])
            return await _body(reader), own_host
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise OSError(f"no answer in HTTP: {error}") from None
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _body(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    if not head[0].startswith("http/1."):
        raise ValueError(head[0][:40])
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    if "chunked" in fields.get("transfer-encoding", ""):
        return await _chunks(reader)
    if (length := fields.get("content-length", "")).isdigit():
        return await reader.readexactly(min(int(length), MAX_DOCUMENT_BYTES))
    return await _until_end(reader)


async def _until_end(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while len(found) < MAX_DOCUMENT_BYTES and (more := await reader.read(MAX_DOCUMENT_BYTES)):
        found += more
    return bytes(found[:MAX_DOCUMENT_BYTES])


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0].strip(), 16):
        if size < 0 or len(found) + size > MAX_DOCUMENT_BYTES:
            raise ValueError("too much")
        found += await reader.readexactly(size)
        await reader.readexactly(2)
    return bytes(found)
