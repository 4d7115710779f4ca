"""Bearer tokens: the file, bootstrap tokens, and the claims of service account tokens."""

import base64
from datetime import UTC, datetime

import jwt
import pytest

from apiserver.authn import bearer, bootstrap_token, service_account, token_file
from apiserver.authn.keys import SigningKey, VerifyKeys
from apiserver.authn.service_account import Bound, Claims
from apiserver.http.message import User
from kit import tls

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        pytest.param({"authorization": "Bearer abc"}, "abc", id="header"),
        pytest.param({"authorization": "bearer  abc "}, "abc", id="case-and-space"),
        pytest.param({"authorization": "Basic abc"}, "", id="another-scheme"),
        pytest.param(
            {"sec-websocket-protocol": "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj"},
            "abc",
            id="websocket-protocol",
        ),
        pytest.param({}, "", id="none"),
    ],
)
def test_bearer(headers: dict, token: str) -> None:
    assert bearer.token_of(headers) == token


def test_token_is_not_passed_on() -> None:
    given = "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj"
    assert bearer.without_token(given) == "v4.channel.k8s.io"


def test_token_file() -> None:
    users = token_file.parse(['abc,jane,7,"dev,ops"', "", "def,joe,8"])
    assert users == {"abc": User("jane", ("dev", "ops"), "7"), "def": User("joe", (), "8")}
    with pytest.raises(ValueError, match="at least 3 columns"):
        token_file.parse(["abc,jane"])


def secret(**data: str) -> dict:
    given = {
        "token-id": "abcdef",
        "token-secret": "0123456789abcdef",
        "usage-bootstrap-authentication": "true",
        **{key.replace("_", "-"): value for key, value in data.items()},
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in given.items()}
    return {"type": "bootstrap.kubernetes.io/token", "metadata": {}, "data": encoded}


@pytest.mark.parametrize(
    ("found", "groups"),
    [
        pytest.param(secret(), ("system:bootstrappers",), id="good"),
        pytest.param(
            secret(auth_extra_groups="system:bootstrappers:a"),
            ("system:bootstrappers", "system:bootstrappers:a"),
            id="extra-group",
        ),
        pytest.param(secret(auth_extra_groups="system:masters"), None, id="no-other-groups"),
        pytest.param(secret(token_secret="x"), None, id="other-secret"),
        pytest.param(secret(usage_bootstrap_authentication="false"), None, id="not-for-this"),
        pytest.param(secret(expiration="2025-12-31T23:59:59Z"), None, id="expired"),
        pytest.param(
            secret(expiration="2026-01-02T00:00:00Z"), ("system:bootstrappers",), id="not-yet-expired"
        ),
        pytest.param(secret(expiration="soon"), None, id="unreadable-expiry"),
        pytest.param({**secret(), "type": "Opaque"}, None, id="other-type"),
    ],
)
def test_bootstrap_token(found: dict, groups: tuple | None) -> None:
    user = bootstrap_token.user_of(found, "abcdef", "0123456789abcdef", NOW)
    assert user == (None if groups is None else User("system:bootstrap:abcdef", groups))


PAYLOAD = {
    "iss": "i",
    "sub": "system:serviceaccount:ns:sa",
    "aud": ["api"],
    "exp": 20,
    "nbf": 10,
    "jti": "j",
    "kubernetes.io": {
        "namespace": "ns",
        "serviceaccount": {"name": "sa", "uid": "u"},
        "pod": {"name": "p", "uid": "pu"},
        "node": {"name": "n", "uid": "nu"},
    },
}
CLAIMS = Claims("ns", Bound("sa", "u"), ("api",), 20, 10, "j", Bound("p", "pu"), Bound("n", "nu"))


def test_claims() -> None:
    assert service_account.parse_claims(PAYLOAD) == CLAIMS
    assert service_account.parse_claims({**PAYLOAD, "sub": "system:serviceaccount:ns:other"}) is None
    assert service_account.parse_claims({"sub": "x"}) is None
    user = service_account.user_of(CLAIMS)
    assert user.name == "system:serviceaccount:ns:sa"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns")
    assert user.extra == {
        "authentication.kubernetes.io/credential-id": ("JTI=j",),
        "authentication.kubernetes.io/pod-name": ("p",),
        "authentication.kubernetes.io/pod-uid": ("pu",),
        "authentication.kubernetes.io/node-name": ("n",),
        "authentication.kubernetes.io/node-uid": ("nu",),
    }


@pytest.mark.parametrize(
    ("at", "timely"),
    [
        pytest.param(9, False, id="early"),
        pytest.param(15, True, id="now"),
        pytest.param(20, False, id="late"),
    ],
)
def test_timely(at: float, timely: bool) -> None:
    assert service_account.is_timely(CLAIMS, at) is timely


@pytest.mark.parametrize(
    ("metadata", "same"),
    [
        pytest.param({"uid": "u"}, True, id="the-same"),
        pytest.param({"uid": "v"}, False, id="made-anew"),
        pytest.param({"uid": "u", "deletionTimestamp": "2025-12-31T23:59:30Z"}, True, id="just-deleted"),
        pytest.param({"uid": "u", "deletionTimestamp": "2025-12-31T23:58:30Z"}, False, id="long-deleted"),
    ],
)
def test_bound_object(metadata: dict, same: bool) -> None:
    assert service_account.is_same({"metadata": metadata}, Bound("x", "u"), NOW) is same


def test_keys() -> None:
    pem, other = tls.new_key(), tls.new_key()
    key = SigningKey.parse(pem)
    token = key.sign({"a": 1})
    assert VerifyKeys.parse([other, pem]).decode(token) == {"a": 1}
    with pytest.raises(jwt.InvalidSignatureError):
        VerifyKeys.parse([other]).decode(token)
    found = VerifyKeys.parse([pem]).jwks()["keys"]
    assert [(item["kid"], item["alg"], item["crv"]) for item in found] == [(key.key_id, "ES256", "P-256")]
