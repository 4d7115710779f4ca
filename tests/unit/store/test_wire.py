import pytest

from proto.gen.etcd import kv_pb2, rpc_pb2
from store import wire
from store.backend import Event, KeyValue, NoSpace, StoreError, TooLarge, Unavailable


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        pytest.param(b"/registry/", b"/registry0", id="path"),
        pytest.param(b"a\xff", b"b", id="last-byte-is-the-last"),
        pytest.param(b"\xff\xff", b"\0", id="nothing-comes-after"),
        pytest.param(b"", b"\0", id="everything"),
    ],
)
def test_end_of_prefix(prefix, end):
    assert wire.end_of(prefix) == end


@pytest.mark.parametrize(
    ("prefix", "after", "key"),
    [
        pytest.param("/a/", b"", b"/a/", id="from-the-start"),
        pytest.param("/a/", b"/a/x", b"/a/x\0", id="after-a-key"),
        pytest.param("/a/", b"/0", b"/a/", id="after-a-key-before-the-prefix"),
        pytest.param("", b"", b"\0", id="everything"),
    ],
)
def test_range(prefix, after, key):
    request = wire.range_of(prefix, after, 5, 7)
    assert (request.key, request.limit, request.revision) == (key, 5, 7)


def test_put_reads_the_key_if_the_guard_fails():
    request = wire.put_if(b"/a", b"v", 3, 9)
    assert request.compare[0].mod_revision == 3
    assert request.compare[0].target == rpc_pb2.Compare.MOD
    put = rpc_pb2.PutRequest(key=b"/a", value=b"v", lease=9, prev_kv=True)
    assert request.success[0].request_put == put
    assert request.failure[0].request_range.key == b"/a"


def test_guard_on_an_absent_key_is_really_sent():
    # 0 is proto3's default; in a oneof it must be there all the same.
    assert wire.put_if(b"/a", b"v", 0, 0).compare[0].WhichOneof("target_union") == "mod_revision"


BEFORE = kv_pb2.KeyValue(key=b"/a", value=b"u", mod_revision=4, create_revision=2)


@pytest.mark.parametrize(
    ("value", "answer", "expected"),
    [
        pytest.param(b"v", rpc_pb2.ResponseOp(response_put=rpc_pb2.PutResponse()),
                     Event("/a", b"v", 7, 7, None), id="creation"),
        pytest.param(b"v", rpc_pb2.ResponseOp(response_put=rpc_pb2.PutResponse(prev_kv=BEFORE)),
                     Event("/a", b"v", 7, 2, KeyValue("/a", b"u", 2, 4)), id="update"),
        pytest.param(
            None,
            rpc_pb2.ResponseOp(response_delete_range=rpc_pb2.DeleteRangeResponse(deleted=1,
            prev_kvs=[BEFORE])), Event("/a", None, 7, 2, KeyValue("/a", b"u", 2, 4)), id="deletion",
        ),
    ],
)  # fmt: skip
def test_an_answer_tells_what_the_stream_will_tell(value, answer, expected):
    header = rpc_pb2.ResponseHeader(revision=7)
    response = rpc_pb2.TxnResponse(header=header, succeeded=True, responses=[answer])
    assert wire.event_of("/a", value, response) == expected


def put(key: str, revision: int, created: int, before: bytes | None = None) -> kv_pb2.Event:
    kv = kv_pb2.KeyValue(
        key=key.encode(), value=b"v%d" % revision, mod_revision=revision, create_revision=created
    )
    event = kv_pb2.Event(kv=kv)
    if before is not None:
        event.prev_kv.CopyFrom(
            kv_pb2.KeyValue(
                key=key.encode(), value=before, mod_revision=revision - 1, create_revision=created
            )
        )
    return event


def deletion(key: str, revision: int) -> kv_pb2.Event:
    before = kv_pb2.KeyValue(key=key.encode(), value=b"old", mod_revision=revision - 1, create_revision=2)
    kv = kv_pb2.KeyValue(key=key.encode(), mod_revision=revision)
    return kv_pb2.Event(type=kv_pb2.Event.DELETE, kv=kv, prev_kv=before)


def response(*events: kv_pb2.Event, fragment: bool = False) -> rpc_pb2.WatchResponse:
    return rpc_pb2.WatchResponse(events=events, fragment=fragment)


def test_events_are_read():
    taken = wire.Assembler(5).take(response(put("/a", 5, 5), put("/a", 6, 5, b"v5"), deletion("/b", 7)))
    assert taken == [
        Event("/a", b"v5", 5, 5, None),
        Event("/a", b"v6", 6, 5, KeyValue("/a", b"v5", 5, 5)),
        Event("/b", None, 7, 2, KeyValue("/b", b"old", 2, 6)),
    ]


def test_a_revision_in_fragments_comes_whole():
    assembler = wire.Assembler(5)
    assert [e.key for e in assembler.take(response(put("/a", 5, 5), put("/b", 6, 6), fragment=True))] == [
        "/a"
    ]
    assert assembler.take(response(put("/c", 6, 6), fragment=True)) == []
    assert [e.key for e in assembler.take(response(put("/d", 6, 6), put("/e", 7, 7)))] == [
        "/b",
        "/c",
        "/d",
        "/e",
    ]
    assert assembler.next == 8


@pytest.mark.parametrize(
    "responses",
    [
        pytest.param([response(put("/a", 6, 6))], id="at-the-beginning"),
        pytest.param([response(put("/a", 5, 5), put("/a", 7, 7))], id="within-a-response"),
        pytest.param([response(put("/a", 5, 5)), response(put("/a", 7, 7))], id="between-responses"),
        pytest.param([response(put("/a", 5, 4))], id="previous-value-compacted"),
    ],
)
def test_a_gap_is_noticed(responses):
    assembler = wire.Assembler(5)
    for each in responses[:-1]:
        assembler.take(each)
    with pytest.raises(wire.GapInHistory):
        assembler.take(responses[-1])


def test_a_key_that_is_no_text_survives():
    raw = b"/registry/\xff\xfe"
    assert wire.encode_key(wire.decode_key(raw)) == raw


@pytest.mark.parametrize(
    ("code", "details", "kind", "unknown"),
    [
        pytest.param(
            "RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded", NoSpace, None, id="full"
        ),
        pytest.param("UNAVAILABLE", "etcdserver: no leader", Unavailable, False, id="no-leader"),
        pytest.param("UNAVAILABLE", "etcdserver: request timed out", Unavailable, True, id="timed-out"),
        pytest.param(
            "RESOURCE_EXHAUSTED", "etcdserver: too many requests", Unavailable, False, id="too-many"
        ),
        pytest.param("UNAVAILABLE", "Socket closed", Unavailable, True, id="connection-lost"),
        pytest.param(
            "UNAVAILABLE",
            "failed to connect to all addresses; last error: ...",
            Unavailable,
            False,
            id="down",
        ),
        pytest.param("DEADLINE_EXCEEDED", "Deadline Exceeded", Unavailable, True, id="deadline"),
        pytest.param("INVALID_ARGUMENT", "etcdserver: request is too large", TooLarge, None, id="too-large"),
        pytest.param(
            "RESOURCE_EXHAUSTED",
            "grpc: received message larger than max (9 vs. 8)",
            TooLarge,
            None,
            id="too-large-for-grpc",
        ),
        pytest.param("INVALID_ARGUMENT", "etcdserver: other", StoreError, None, id="other"),
    ],
)
def test_errors(code, details, kind, unknown):
    error = wire.error_for(code, details)
    assert type(error) is kind
    assert getattr(error, "outcome_unknown", None) is unknown
    assert details in str(error)
