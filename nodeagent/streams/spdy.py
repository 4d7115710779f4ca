"""SPDY/3.1 frames, both roles, without I/O: what `kubectl` up to 1.29 and container runtimes stream over.

    framer = Framer()
    frames = framer.feed(bytes_from_the_peer)       bytes_for_the_peer = framer.encode(SynStream(1, {...}))

    control frame   1 | version 3 (15 bits) | type (16) | flags (8) | length (24) | ...
    data frame      0 | stream id (31 bits)             | flags (8) | length (24) | data

Header blocks of one direction share one zlib stream, so frames must be encoded in the order they are sent.
Flow control windows are carried, not enforced: the peers in question (moby/spdystream) do not use them,
back-pressure is TCP's.
Source: the SPDY Protocol, Draft 3.1.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

VERSION = 3
FLAG_FIN, FLAG_UNIDIRECTIONAL = 1, 2
PROTOCOL_ERROR, REFUSED_STREAM, CANCEL = 1, 3, 5

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _HEADERS, _WINDOW_UPDATE = (
    1,
    2,
    3,
    4,
    6,
    7,
    8,
    9,
)
# A header block that unpacks to more is an attack, not a stream's three or four headers.
_MAX_HEADER_BYTES = 64 * 1024
# Peers send frames of at most 32 KiB; a length beyond this is refused before it is buffered.
MAX_FRAME_BYTES = 4 << 20

_WORDS = (
    "options", "head", "post", "put", "delete", "trace", "accept", "accept-charset", "accept-encoding",
    "accept-language", "accept-ranges", "age", "allow", "authorization", "cache-control", "connection",
    "content-base", "content-encoding", "content-language", "content-length", "content-location",
    "content-md5", "content-range", "content-type", "date", "etag", "expect", "expires", "from", "host",
    "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "last-modified",
    "location", "max-forwards", "pragma", "proxy-authenticate", "proxy-authorization", "range", "referer",
    "retry-after", "server", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "vary", "via",
    "warning", "www-authenticate", "method", "get", "status",
)  # fmt: skip
_TAIL = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _sized(text: str) -> bytes:
    return struct.pack(">I", len(text)) + text.encode()


# What both sides' zlib streams start from (section 2.6.10.1).
DICTIONARY = (
    b"".join(map(_sized, [*_WORDS, "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie"]))
    + b"".join(map(_sized, ["keep-alive", "origin"]))
    + _TAIL.encode()
)


class SPDYError(Exception):
    """The peer broke the protocol; the connection is of no more use."""


@dataclass(frozen=True)
class SynStream:
    """Opens a stream. Clients count 1, 3, 5 ...; header names are lower case."""

    stream_id: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class SynReply:
    """Accepts a stream."""

    stream_id: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class Headers:
    """More headers for an open stream."""

    stream_id: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class Data:
    """Bytes of a stream; `fin`: the sender's last."""

    stream_id: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True)
class Reset:
    """Ends a stream in both directions."""

    stream_id: int
    status: int = CANCEL


@dataclass(frozen=True)
class Ping:
    """To be sent back as it is by the side that did not number it (clients number odd)."""

    ping_id: int


@dataclass(frozen=True)
class GoAway:
    """The sender takes no more streams."""

    last_stream_id: int
    status: int = 0


@dataclass(frozen=True)
class WindowUpdate:
    stream_id: int
    delta: int


@dataclass(frozen=True)
class Settings:
    """(id, value) pairs."""

    values: tuple[tuple[int, int], ...] = ()


Frame: TypeAlias = SynStream | SynReply | Headers | Data | Reset | Ping | GoAway | WindowUpdate | Settings


class Framer:
    """One end of a connection: header compression in both directions, and the bytes of a half-read frame."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes from the peer; return the frames that are complete. Raises `SPDYError`."""
        self._buffer += data
        return list(self._frames())

    def encode(self, frame: Frame) -> bytes:
        """Return the frame's bytes; to be sent in the order of the calls."""
        match frame:
            case Data(stream_id, data, fin):
                head = struct.pack(">II", stream_id & 0x7FFFFFFF, FLAG_FIN * fin << 24 | len(data))
                return head + data
            case SynStream(stream_id, headers, fin):
                body = struct.pack(">IIBB", stream_id, 0, 0, 0) + self._pack(headers)
                return _control(_SYN_STREAM, body, FLAG_FIN * fin)
            case SynReply(stream_id, headers, fin):
                body = struct.pack(">I", stream_id) + self._pack(headers)
                return _control(_SYN_REPLY, body, FLAG_FIN * fin)
            case Headers(stream_id, headers, fin):
                body = struct.pack(">I", stream_id) + self._pack(headers)
                return _control(_HEADERS, body, FLAG_FIN * fin)
            case _:
                return _encode_plain(frame)

    def _frames(self) -> Iterator[Frame]:
        while len(self._buffer) >= 8:
            first, second = struct.unpack_from(">II", self._buffer)
            flags, length = second >> 24, second & 0xFFFFFF
            if length > MAX_FRAME_BYTES:
                raise SPDYError(f"frame of {length} bytes")
            if len(self._buffer) < 8 + length:
                return
            body = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            if not first & 0x80000000:
                yield Data(first, body, bool(flags & FLAG_FIN))
            elif (found := self._control(first, flags, body)) is not None:
                yield found

    def _control(self, first: int, flags: int, body: bytes) -> Frame | None:
        version, kind = first >> 16 & 0x7FFF, first & 0xFFFF
        if version != VERSION:
            raise SPDYError(f"version {version}")
        fin = bool(flags & FLAG_FIN)
        try:
            match kind:
                case 1:
                    return SynStream(_u31(body, 0), self._unpack(body[10:]), fin)
                case 2:
                    return SynReply(_u31(body, 0), self._unpack(body[4:]), fin)
                case 8:
                    return Headers(_u31(body, 0), self._unpack(body[4:]), fin)
                case _:
                    return _decode_plain(kind, body)
        except struct.error as error:
            raise SPDYError(f"short frame of type {kind}") from error

    def _pack(self, headers: Mapping[str, str]) -> bytes:
        block = struct.pack(">I", len(headers)) + b"".join(
            struct.pack(">I", len(raw)) + raw
            for name, value in headers.items()
            for raw in (name.lower().encode(), value.encode())
        )
        return self._deflate.compress(block) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _unpack(self, packed: bytes) -> dict[str, str]:
        try:
            block = self._inflate.decompress(packed, _MAX_HEADER_BYTES)
        except zlib.error as error:
            raise SPDYError(f"header block: {error}") from error
        if self._inflate.unconsumed_tail:
            raise SPDYError("header block too large")
        return _parse_headers(block)


def _parse_headers(block: bytes) -> dict[str, str]:
    (count,) = struct.unpack_from(">I", block)
    texts: list[str] = []
    position = 4
    for _ in range(min(count, _MAX_HEADER_BYTES) * 2):
        (size,) = struct.unpack_from(">I", block, position)
        raw = block[position + 4 : position + 4 + size]
        if len(raw) < size:
            raise SPDYError("header block ends too early")
        texts.append(raw.decode("utf-8", "replace"))
        position += 4 + size
    return dict(zip(texts[::2], texts[1::2], strict=True))


def _encode_plain(frame: Frame) -> bytes:
    match frame:
        case Reset(stream_id, status):
            return _control(_RST_STREAM, struct.pack(">II", stream_id, status))
        case Ping(ping_id):
            return _control(_PING, struct.pack(">I", ping_id))
        case GoAway(last_stream_id, status):
            return _control(_GOAWAY, struct.pack(">II", last_stream_id, status))
        case WindowUpdate(stream_id, delta):
            return _control(_WINDOW_UPDATE, struct.pack(">II", stream_id, delta))
        case Settings(values):
            entries = b"".join(struct.pack(">II", key & 0xFFFFFF, value) for key, value in values)
            return _control(_SETTINGS, struct.pack(">I", len(values)) + entries)
        case _:
            raise TypeError(f"not a frame: {frame!r}")


def _decode_plain(kind: int, body: bytes) -> Frame | None:
    """Return the frame of a kind without headers; unknown kinds are to be passed over."""
    match kind:
        case 3:
            return Reset(_u31(body, 0), *struct.unpack_from(">I", body, 4))
        case 4:
            (count,) = struct.unpack_from(">I", body)
            pairs = [struct.unpack_from(">II", body, 4 + 8 * index) for index in range(min(count, 1024))]
            return Settings(tuple((key & 0xFFFFFF, value) for key, value in pairs))
        case 6:
            return Ping(*struct.unpack_from(">I", body))
        case 7:
            return GoAway(_u31(body, 0), *struct.unpack_from(">I", body, 4))
        case 9:
            return WindowUpdate(_u31(body, 0), _u31(body, 4))
        case _:
            return None


def _u31(body: bytes, offset: int) -> int:
    return int(struct.unpack_from(">I", body, offset)[0]) & 0x7FFFFFFF


def _control(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8000 | VERSION, kind, flags << 24 | len(body)) + body
