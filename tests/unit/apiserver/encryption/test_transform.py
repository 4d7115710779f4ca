"""Sealing and opening values."""

import contextlib

import pytest

from apiserver.encryption.config import IDENTITY, Key, Provider
from apiserver.encryption.transform import CannotOpen, Transformer

CONTEXT = b"/registry/core/secrets/default/a"
PLAIN = b'{"kind":"Secret"}'
IDENTICAL = Provider(IDENTITY)


def provider(kind, *names):
    return Provider(kind, tuple(Key(name, name.encode().ljust(32, b"."))for name in names))  # fmt: skip


@pytest.mark.parametrize("kind", ["aescbc", "aesgcm", "secretbox"])
class TestEveryCipher:
    @pytest.mark.parametrize("plain", [b"", b"x", PLAIN, b"y" * 5000], ids=len)
    def test_round_trip(self, kind, plain):
        made = Transformer([provider(kind, "k1")])
        sealed = made.seal(plain, CONTEXT)
        assert sealed.startswith(f"k8s:enc:{kind}:v1:k1:".encode())
        assert PLAIN not in sealed
        assert sealed != made.seal(plain, CONTEXT)
        assert made.open(sealed, CONTEXT) == plain
        assert not made.is_stale(sealed)

    def test_rotation(self, kind):
        old, new = Transformer([provider(kind, "k1")]), Transformer([provider(kind, "k2", "k1"), IDENTICAL])
        sealed = old.seal(PLAIN, CONTEXT)
        assert new.open(sealed, CONTEXT) == PLAIN
        assert new.is_stale(sealed)
        assert new.seal(PLAIN, CONTEXT).startswith(f"k8s:enc:{kind}:v1:k2:".encode())
        assert new.open(PLAIN, CONTEXT) == PLAIN
        assert new.is_stale(PLAIN)

    def test_a_lost_key_is_an_error(self, kind):
        sealed = Transformer([provider(kind, "k1")]).seal(PLAIN, CONTEXT)
        with pytest.raises(CannotOpen, match="no matching prefix found"):
            Transformer([provider(kind, "k2")]).open(sealed, CONTEXT)
        with pytest.raises(CannotOpen, match="identity transformer tried to read encrypted data"):
            Transformer([IDENTICAL]).open(sealed, CONTEXT)

    def test_a_wrong_key_of_the_same_name_never_gives_the_plain_text(self, kind):
        sealed = Transformer([provider(kind, "k1")]).seal(PLAIN, CONTEXT)
        wrong = Transformer([Provider(kind, (Key("k1", b"w" * 32),))])
        with contextlib.suppress(CannotOpen):
            assert wrong.open(sealed, CONTEXT) != PLAIN

    @pytest.mark.parametrize("length", [0, 5, 30])
    def test_what_is_cut_short_is_an_error(self, kind, length):
        made = Transformer([provider(kind, "k1")])
        sealed = made.seal(PLAIN, CONTEXT)
        with pytest.raises(CannotOpen):
            made.open(sealed[: len(f"k8s:enc:{kind}:v1:k1:") + length], CONTEXT)


def test_gcm_is_bound_to_the_place_in_the_store():
    made = Transformer([provider("aesgcm", "k1")])
    with pytest.raises(CannotOpen, match="authentication failed"):
        made.open(made.seal(PLAIN, CONTEXT), b"/registry/core/secrets/other/a")


def test_back_to_plain():
    sealed = Transformer([provider("aescbc", "k1")]).seal(PLAIN, CONTEXT)
    made = Transformer([IDENTICAL, provider("aescbc", "k1")])
    assert made.open(sealed, CONTEXT) == PLAIN
    assert made.is_stale(sealed)
    assert made.seal(PLAIN, CONTEXT) == PLAIN
    assert not made.is_stale(PLAIN)
