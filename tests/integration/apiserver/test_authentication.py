"""Credentials that are no good: out of time, of other keys, issuers and algorithms, of things deleted."""

import base64
import hashlib
import hmac

import jwt
import orjson
import pytest
from aiohttp import ClientError, ClientSession, TCPConnector
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from apiserver.authn.keys import SigningKey
from kit import clock, tls
from tests.integration.apiserver.conftest import API

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
SELF = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
NAME = "system:serviceaccount:default:robot"


@pytest.fixture(scope="module")
def signing_key():
    return tls.new_key()


@pytest.fixture
def settings(signing_key, tmp_path):
    """A server with a key of ours, so that tokens can be forged with it."""
    (tmp_path / "sa.key").write_bytes(signing_key)
    return {"service_account_signing_key_file": tmp_path / "sa.key"}


@pytest.fixture
async def stranger(server, pki, api):
    """A client of the same server without a certificate."""
    port = port_of(api)
    connector = TCPConnector(ssl=tls.client_context(pki / "ca.crt"), limit=0)
    async with ClientSession(f"https://127.0.0.1:{port}", connector=connector) as session:
        yield API(session)


def port_of(api):
    return api.session._base_url.port


async def issue(api, **spec):
    """Return a token that the server issued for the account `robot`, and its claims."""
    found = await api.ask("GET", f"{ACCOUNTS}/robot")
    if found.status == 404:
        await api.ok("POST", ACCOUNTS, {"metadata": {"name": "robot"}})
    made = await api.ok("POST", f"{ACCOUNTS}/robot/token", {"spec": spec})
    token = made["status"]["token"]
    return token, jwt.decode(token, options={"verify_signature": False})


async def who(client, token):
    """Return the user name that a token stands for, or the code of the refusal."""
    answer = await client.ask("POST", SELF, {}, headers={"Authorization": f"Bearer {token}"})
    return answer.json["status"]["userInfo"]["username"] if answer.status == 201 else answer.status


def moved(claims, **seconds):
    now = int(clock.now().timestamp())
    return {**claims, **{name: now + shift for name, shift in seconds.items()}}


async def test_good_ones(api, stranger):
    token, _ = await issue(api)
    assert await who(stranger, token) == NAME
    assert await who(stranger, f" {token} ") == NAME
    review = await api.ok("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": token}})
    assert review["status"]["authenticated"]
    assert review["status"]["user"]["username"] == NAME


async def test_forged_claims(api, stranger, signing_key):
    _, claims = await issue(api)
    key = SigningKey.parse(signing_key)
    assert await who(stranger, key.sign(claims)) == NAME
    private = claims["kubernetes.io"]
    for forged in (
        moved(claims, exp=-1),
        moved(claims, nbf=60),
        {**claims, "iss": "https://other.example.com"},
        {**claims, "aud": ["vault"]},
        {**claims, "sub": "system:serviceaccount:default:other"},
        {**claims, "sub": "system:admin"},
        {name: value for name, value in claims.items() if name != "kubernetes.io"},
        {**claims, "kubernetes.io": {**private, "namespace": "kube-system"}},
        {**claims, "kubernetes.io": {**private, "serviceaccount": {"name": "robot", "uid": "another"}}},
        {**claims, "kubernetes.io": {**private, "pod": {"name": "none", "uid": "1"}}},
    ):
        assert await who(stranger, key.sign(forged)) == 401


async def test_other_keys_and_algorithms(api, stranger, signing_key):
    token, claims = await issue(api)
    head, body, signature = token.split(".")
    header = jwt.get_unverified_header(token)

    def encoded(fields):
        return base64.urlsafe_b64encode(orjson.dumps(fields)).rstrip(b"=").decode()

    public = serialization.load_pem_private_key(signing_key, None).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    # An attacker signs with the public key, as a shared secret; the library would refuse to.
    swapped = f"{encoded({**header, 'alg': 'HS256'})}.{body}"
    mac = base64.urlsafe_b64encode(hmac.digest(pem, swapped.encode(), hashlib.sha256)).rstrip(b"=").decode()
    rsa_key = rsa.generate_private_key(65537, 2048)
    for forged in (
        SigningKey.parse(tls.new_key()).sign(claims),
        jwt.encode(claims, rsa_key, "RS256", headers={"kid": header["kid"]}),
        f"{encoded({**header, 'alg': 'none'})}.{body}.",
        f"{encoded({**header, 'alg': 'none'})}.{body}.{signature}",
        f"{encoded({'alg': 'None'})}.{body}.",
        f"{swapped}.{mac}",
        f"{head}.{encoded({**claims, 'sub': 'system:serviceaccount:kube-system:admin'})}.{signature}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{head}.{body}",
        "a.b.c",
        "x" * 20_000,
    ):
        assert await who(stranger, forged) == 401


async def test_what_a_token_is_bound_to_goes(api, stranger):
    pods, secrets, nodes = (
        "/api/v1/namespaces/default/pods",
        "/api/v1/namespaces/default/secrets",
        "/api/v1/nodes",
    )
    pod = {
        "metadata": {"name": "p"},
        "spec": {"serviceAccountName": "robot", "containers": [{"name": "c", "image": "i"}]},
    }
    named = {"metadata": {"name": "p"}}
    bodies = {"Pod": (pods, pod), "Secret": (secrets, named), "Node": (nodes, named)}
    for kind, (path, body) in bodies.items():
        await issue(api)
        made = await api.ok("POST", path, body)
        bound = {"apiVersion": "v1", "kind": kind, "name": "p", "uid": made["metadata"]["uid"]}
        token, _ = await issue(api, boundObjectRef=bound)
        assert await who(stranger, token) == NAME
        await api.ok("DELETE", f"{path}/p", gracePeriodSeconds="0")
        assert await who(stranger, token) == 401
        again = await api.ok("POST", path, body)
        assert again["metadata"]["uid"] != made["metadata"]["uid"]
        assert await who(stranger, token) == 401
        await api.ok("DELETE", f"{path}/p", gracePeriodSeconds="0")


async def test_an_account_that_is_gone(api, stranger):
    token, _ = await issue(api)
    await api.ok("DELETE", f"{ACCOUNTS}/robot")
    assert await who(stranger, token) == 401
    await issue(api)
    assert await who(stranger, token) == 401


async def test_audiences(api, stranger):
    token, _ = await issue(api, audiences=["vault"])
    assert await who(stranger, token) == 401
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"

    async def review(*audiences):
        spec = {"token": token, "audiences": list(audiences)}
        return (await api.ok("POST", reviews, {"spec": spec}))["status"]

    assert (await review("vault"))["audiences"] == ["vault"]
    own = (await api.ok("POST", f"{ACCOUNTS}/robot/token", {}))["status"]["token"]
    [server] = jwt.decode(own, options={"verify_signature": False})["aud"]
    assert (await review("vault", server))["audiences"] == ["vault"]
    for refused in ((), (server,), ("bank",)):
        assert "authenticated" not in await review(*refused)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"Authorization": "Basic YWRtaW46YWRtaW4="}, id="basic"),
        pytest.param({"Authorization": "Bearer"}, id="no-token"),
        pytest.param({"Authorization": "Bearer "}, id="empty-token"),
        pytest.param({"X-Remote-User": "admin", "X-Remote-Group": "system:masters"}, id="front-proxy-spoof"),
        pytest.param(
            {"Impersonate-User": "admin", "Impersonate-Group": "system:masters"}, id="impersonation"
        ),
    ],
)
async def test_nobody(stranger, headers):
    answer = await stranger.ask("GET", "/api/v1/namespaces", headers=headers)
    assert answer.status == 401
    assert answer.json["reason"] == "Unauthorized"


async def test_two_authorization_headers_are_not_two_identities(api, stranger):
    token, _ = await issue(api)
    headers = [("Authorization", "Bearer nonsense"), ("Authorization", f"Bearer {token}")]
    async with stranger.session.post(
        SELF, data=b"{}", headers=[*headers, ("Content-Type", "application/json")]
    ) as answer:
        assert answer.status in (400, 401)


async def test_headers_of_a_proxy_do_not_outrank_a_certificate(api):
    headers = {"X-Remote-User": "jane", "X-Remote-Group": "dev"}
    made = await api.ok("POST", SELF, {}, headers=headers)
    assert made["status"]["userInfo"]["username"] == "admin"


async def test_a_certificate_out_of_time(server, api, pki, tmp_path):
    ca = tls.KeyPair.load(pki / "ca")
    expired = tls.issue(ca, "old", ["system:masters"], days=0)
    expired.save(tmp_path / "old")
    port = port_of(api)
    context = tls.client_context(pki / "ca.crt", tmp_path / "old.crt", tmp_path / "old.key")
    async with ClientSession(connector=TCPConnector(ssl=context)) as session:
        with pytest.raises((OSError, ClientError), match=r"expired|closed|reset|disconnected"):
            async with session.get(f"https://127.0.0.1:{port}/api/v1/namespaces") as answer:
                await answer.read()
