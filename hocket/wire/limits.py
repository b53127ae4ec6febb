"""Every maximum of the wire, with its reason."""

from typing import Annotated

from msgspec import Meta

HEADER_BYTES = 12
"""kind u16, flags u8, reserved u8, correlation u32, body length u32."""

MAX_HELLO_BODY_BYTES = 4 * 1024
"""Before HELLO a peer is a stranger: it may make us hold this much."""

MAX_CONTROL_BODY_BYTES = 256 * 1024
"""A page of MAX_PAGE tracks with long names fits; nothing that grows without bound is sent in one message."""

MAX_CHUNK_BYTES = 1024 * 1024
"""One raw body: past 1 MiB a larger piece saves nothing (measured 1.3 x nginx's CPU), it only delays a seek."""

MAX_READS_IN_FLIGHT = 16
"""Per connection: 16 x 256 KiB covers 100 Mbit/s at 300 ms; more is somebody hoarding."""

MAX_OPEN_TRACKS = 8
"""Handles per connection: playing, the next, and a few that are being closed."""

MAX_REQUESTS_IN_FLIGHT = 1024
"""Unanswered requests that one side of a connection may have."""

MAX_PAGE = 500
"""Tracks in one TrackPage: 500 x at most 500 bytes stays below MAX_CONTROL_BODY_BYTES for all but hostile names."""

MAX_WAVEFORM_BYTES = 4 * 1024
"""Peaks of one track: more columns than any screen has."""

HELLO_TIMEOUT_S = 5.0
"""A connection that says nothing is closed after this; a handshake over a bad line takes two round trips."""

REPLY_TIMEOUT_S = 10.0
"""A request without an answer has failed after this."""

MAX_TICKET_BYTES = 2048
"""A ticket with its grant is about 500 bytes."""

MAX_OTHER_AUTHS = 16
"""Authentication nodes that a listener is told to try without the prime: more than fail at once."""

MAX_TEXT = 4096
"""Any text without a smaller limit of its own."""

ShortText = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Password = Annotated[str, Meta(max_length=1024)]
Blob = Annotated[bytes, Meta(max_length=MAX_TICKET_BYTES)]
Count = Annotated[int, Meta(ge=0)]
