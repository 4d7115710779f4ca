"""DNS messages to and from bytes, with dnslib. Pure; called by the server and by tests.

Spec: RFC 1035 (messages), RFC 2308 (negative answers), RFC 6891 (EDNS sizes).
"""

from dataclasses import dataclass

from dnslib import (
    AAAA,
    CNAME,
    EDNS0,
    PTR,
    QTYPE,
    RCODE,
    RR,
    SOA,
    SRV,
    TXT,
    A,
    DNSError,
    DNSHeader,
    DNSQuestion,
    DNSRecord,
)

from clusterdns.answer import Alias, Answer, Outcome, Pointer, Record, Text
from clusterdns.records import Address, Target

# Seconds a resolver may keep an answer: services change, and asking again is cheap.
TTL_S = 5
_PLAIN_UDP_BYTES = 512


@dataclass(frozen=True)
class Query:
    """A parsed question; `message` is dnslib's record, needed to reply."""

    name: str
    kind: str
    size_limit: int
    message: DNSRecord


class NotAQuery(Exception):
    """The bytes are no DNS question that can be answered."""


def parse(data: bytes) -> Query:
    """Raises `NotAQuery`."""
    try:
        message = DNSRecord.parse(data)
        question = message.questions[0]
        kind = QTYPE[question.qtype]
    except (DNSError, IndexError, ValueError, UnicodeDecodeError) as error:
        raise NotAQuery(str(error)) from error
    if message.header.qr:
        raise NotAQuery("a response")
    extension = next((extra for extra in message.ar if extra.rtype == QTYPE.OPT), None)
    limit = max(_PLAIN_UDP_BYTES, extension.rclass) if extension else _PLAIN_UDP_BYTES
    return Query(str(question.qname).rstrip("."), kind, min(limit, 4096), message)


def pack(query: Query, answer: Answer, domain: str, over_udp: bool, recursion: bool = True) -> bytes:
    """Return the reply; one that does not fit into a datagram is cut and marked truncated."""
    reply = _reply(query, recursion)
    reply.header.aa = 1
    for record in answer.records:
        reply.add_answer(_resource_record(record))
        if isinstance(record, Target):
            reply.add_ar(_resource_record(Address(record.target, record.address)))
    if answer.outcome is Outcome.MISSING:
        reply.header.rcode = RCODE.NXDOMAIN
    if not answer.records:
        reply.add_auth(_authority(domain))
    packed: bytes = reply.pack()
    if over_udp and len(packed) > query.size_limit:
        reply.ar, reply.auth = [extra for extra in reply.ar if extra.rtype == QTYPE.OPT], []
        while reply.rr and len(packed) > query.size_limit:
            reply.rr.pop()
            reply.header.tc = 1
            packed = reply.pack()
    return packed


def pack_failure(query: Query) -> bytes:
    """Return SERVFAIL: no server could be asked."""
    reply = _reply(query, True)
    reply.header.rcode = RCODE.SERVFAIL
    packed: bytes = reply.pack()
    return packed


def question(name: str, kind: str) -> bytes:
    """Return a question of our own."""
    packed: bytes = DNSRecord.question(name, kind).pack()
    return packed


def append_answers(own: bytes, other: bytes, size_limit: int = 0) -> bytes:
    """Return our reply with the answers of another server's reply added, marked truncated if they do not fit
    into `size_limit` bytes (0: any size fits); `own` itself if the other cannot be read.
    """
    try:
        further = DNSRecord.parse(other).rr
    except DNSError:
        return own
    reply = DNSRecord.parse(own)
    reply.auth = []
    for record in further:
        reply.add_answer(record)
    packed: bytes = reply.pack()
    if size_limit and len(packed) > size_limit:
        cut = DNSRecord.parse(own)
        cut.header.tc = 1
        packed = cut.pack()
    return packed


def _reply(query: Query, recursion: bool) -> DNSRecord:
    header = query.message.header
    reply = DNSRecord(DNSHeader(id=header.id, bitmap=header.bitmap, qr=1, ra=int(recursion), aa=0))
    reply.add_question(DNSQuestion(query.message.q.qname, query.message.q.qtype, query.message.q.qclass))
    if any(extra.rtype == QTYPE.OPT for extra in query.message.ar):
        reply.add_ar(EDNS0(udp_len=4096))
    return reply


def _authority(domain: str) -> RR:
    times = (1, 7200, 1800, 86400, TTL_S)
    return RR(domain, QTYPE.SOA, ttl=TTL_S, rdata=SOA(f"ns.dns.{domain}", f"hostmaster.{domain}", times))


def _resource_record(record: Record) -> RR:
    match record:
        case Address() if record.is_ipv6:
            return RR(record.name, QTYPE.AAAA, ttl=TTL_S, rdata=AAAA(record.address))
        case Address():
            return RR(record.name, QTYPE.A, ttl=TTL_S, rdata=A(record.address))
        case Target():
            return RR(record.name, QTYPE.SRV, ttl=TTL_S, rdata=SRV(0, 100, record.port, record.target))
        case Alias():
            return RR(record.name, QTYPE.CNAME, ttl=TTL_S, rdata=CNAME(record.target))
        case Pointer():
            return RR(record.name, QTYPE.PTR, ttl=TTL_S, rdata=PTR(record.target))
        case Text():
            return RR(record.name, QTYPE.TXT, ttl=TTL_S, rdata=TXT(record.text))
