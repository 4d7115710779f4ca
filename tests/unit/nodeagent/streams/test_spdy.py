"""SPDY frames: there and back, in pieces, and what is refused."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.streams.spdy import (
    DICTIONARY,
    Data,
    Framer,
    GoAway,
    Headers,
    Ping,
    Reset,
    Settings,
    SPDYError,
    SynReply,
    SynStream,
    WindowUpdate,
)

ids = st.integers(1, 2**31 - 1)
words = st.text(st.characters(codec="utf-8"), max_size=20)
headers = st.dictionaries(words.map(str.lower).filter(lambda name: name == name.lower()), words, max_size=4)
numbers = st.integers(0, 2**31 - 1)
frames = st.one_of(
    st.builds(SynStream, ids, headers, st.booleans()),
    st.builds(SynReply, ids, headers, st.booleans()),
    st.builds(Headers, ids, headers, st.booleans()),
    st.builds(Data, ids, st.binary(max_size=300), st.booleans()),
    st.builds(Reset, ids, numbers),
    st.builds(Ping, numbers),
    st.builds(GoAway, numbers, numbers),
    st.builds(WindowUpdate, ids, numbers),
    st.builds(Settings, st.lists(st.tuples(st.integers(0, 2**24 - 1), numbers), max_size=3).map(tuple)),
)


@given(st.lists(frames, max_size=8), st.integers(1, 50))
def test_there_and_back_in_pieces(sent, size):
    sender, receiver = Framer(), Framer()
    raw = b"".join(sender.encode(frame) for frame in sent)
    got = [frame for start in range(0, len(raw), size) for frame in receiver.feed(raw[start : start + size])]
    assert got == sent


@given(st.binary(max_size=200))
def test_rubbish_is_refused_or_waited_for(data):
    framer = Framer()
    try:
        framer.feed(data)
    except SPDYError:
        return


def test_wire_format():
    assert Framer().encode(Data(3, b"ab", fin=True)) == b"\x00\x00\x00\x03\x01\x00\x00\x02ab"
    assert Framer().encode(Ping(1)) == b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01"
    assert Framer().encode(Reset(5, 3)) == b"\x80\x03\x00\x03\x00\x00\x00\x08\x00\x00\x00\x05\x00\x00\x00\x03"


def test_header_names_are_lower_case_and_the_dictionary_is_the_standard_one():
    raw = Framer().encode(SynStream(1, {"StreamType": "error"}))
    block = zlib.decompressobj(zdict=DICTIONARY).decompress(raw[18:])
    assert block == b"\x00\x00\x00\x01\x00\x00\x00\nstreamtype\x00\x00\x00\x05error"
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\x80\x02\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01", id="version"),
        pytest.param(b"\x80\x03\x00\x03\x00\x00\x00\x04\x00\x00\x00\x01", id="short"),
        pytest.param(b"\x80\x03\x00\x01\x00\x00\x00\x0c" + b"\x00" * 12, id="header-block"),
        pytest.param(b"\x00\x00\x00\x01\x00\xff\xff\xff", id="too-long"),
    ],
)
def test_refusals(raw):
    with pytest.raises(SPDYError):
        Framer().feed(raw)


def test_a_header_bomb_is_refused():
    packer = zlib.compressobj(zdict=DICTIONARY)
    packed = packer.compress(b"\x00" * 10_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    body = struct.pack(">IIBB", 1, 0, 0, 0) + packed
    with pytest.raises(SPDYError, match="too large"):
        Framer().feed(struct.pack(">HHI", 0x8003, 1, len(body)) + body)


def test_unknown_control_frames_are_passed_over():
    framer = Framer()
    assert framer.feed(b"\x80\x03\x00\x63\x00\x00\x00\x02xx" + framer.encode(Ping(1))) == [Ping(1)]
