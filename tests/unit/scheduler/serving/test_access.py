"""Whom a certificate names, and what the announcement says."""

from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kit import tls
from scheduler.serving.access import Authorities, Caller, parse_authorities
from scheduler.serving.announcement import annotation

CLIENTS, PROXIES, STRANGE = tls.new_ca("cluster"), tls.new_ca("front"), tls.new_ca("cluster")


def der(authority: tls.KeyPair, name: str, *groups: str, days: int = 1) -> bytes:
    pair = tls.issue(authority, name, groups, days=days)
    return x509.load_pem_x509_certificate(pair.cert).public_bytes(Encoding.DER)


def authorities(names: str = "[]") -> Authorities:
    return parse_authorities({
        "client-ca-file": CLIENTS.cert.decode(), "requestheader-client-ca-file": PROXIES.cert.decode(),
        "requestheader-allowed-names": names,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("certificate", "names", "expected"),
    [
        pytest.param(
            der(CLIENTS, "vera", "team"),
            "[]",
            Caller("vera", ("team", "system:authenticated")),
            id="a-client",
        ),
        pytest.param(der(PROXIES, "proxy"), "[]", Caller("proxy", is_front_proxy=True), id="any-proxy"),
        pytest.param(
            der(PROXIES, "proxy"), '["proxy"]', Caller("proxy", is_front_proxy=True), id="the-proxy"
        ),
        pytest.param(der(PROXIES, "vera"), '["proxy"]', None, id="not-the-proxy"),
        pytest.param(der(STRANGE, "vera"), "[]", None, id="an-authority-of-the-same-name"),
        pytest.param(der(CLIENTS, "vera", days=0), "[]", None, id="expired"),
    ],
)
def test_callers(certificate: bytes, names: str, expected: Caller | None) -> None:
    assert authorities(names).caller(certificate) == expected


def test_no_authorities() -> None:
    assert parse_authorities({}) == Authorities()
    assert parse_authorities({}).caller(der(CLIENTS, "vera")) is None


@pytest.mark.parametrize("spec", [{}, {"holderIdentity": ""}, {"holderIdentity": "us_1"}])
def test_the_announcement_names_the_holder(spec: Any) -> None:
    said = orjson.loads(annotation({"metadata": {}, "spec": spec}, "10.0.0.1:10259", "PEM"))
    holder = spec.get("holderIdentity", "")
    assert said == {"address": "10.0.0.1:10259", "certificate": "PEM", "holder": holder}
