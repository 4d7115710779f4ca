"""Conformance cases of service accounts, their tokens, and reviews of what a subject may do."""

import re

import pytest
from aiohttp import ClientSession, TCPConnector

from apiserver.app import build
from apiserver.config import Config
from kit import tls
from tests.integration.apiserver.cases.crud import watching
from tests.integration.apiserver.conftest import API

CORE = "/api/v1/namespaces/default"
ACCOUNTS, PODS = f"{CORE}/serviceaccounts", f"{CORE}/pods"
CASES = "[sig-auth] ServiceAccounts should "
MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture
async def server(pki, backend, tmp_path):
    """A server that signs tokens, and mounts them."""
    key = tmp_path / "sa.key"
    key.write_bytes(tls.new_key())
    made = await build(
        Config(
            bind_address="127.0.0.1",
            secure_port=0,
            tls_cert_file=pki / "server.crt",
            tls_private_key_file=pki / "server.key",
            client_ca_file=pki / "ca.crt",
            service_account_signing_key_file=key,
        ),
        backend,
    )
    yield made
    await made.close()


async def account(api, name, **fields):
    return await api.ok("POST", ACCOUNTS, {"metadata": {"name": name}, **fields})


def pod(name, account, automount):
    spec = {"containers": [{"name": "c", "image": "b"}], "serviceAccountName": account}
    if automount is not None:
        spec["automountServiceAccountToken"] = automount
    return {"metadata": {"name": name}, "spec": spec}


@pytest.mark.case(CASES + "allow opting out of API token automount [Conformance]")
async def test_opting_out(api):
    wishes = {"none": None, "yes": True, "no": False}
    for name, wish in wishes.items():
        await account(api, name, **({} if wish is None else {"automountServiceAccountToken": wish}))
    for of_account, account_wish in wishes.items():
        for of_pod, pod_wish in wishes.items():
            made = await api.ok("POST", PODS, pod(f"{of_account}-{of_pod}", of_account, pod_wish))
            wanted = (account_wish is not False) if pod_wish is None else pod_wish
            mounts = made["spec"]["containers"][0].get("volumeMounts") or []
            assert [mount["mountPath"] for mount in mounts] == ([MOUNT] if wanted else [])
            named = [volume["name"] for volume in made["spec"].get("volumes") or ()]
            assert [bool(re.fullmatch("kube-api-access-[a-z0-9]{5}", name)) for name in named] == [
                True
            ] * wanted


@pytest.mark.case(CASES + "create a serviceAccountToken and ensure a successful TokenReview [Conformance]")
async def test_a_token(api):
    await account(api, "sa")
    made = await api.ok("POST", f"{ACCOUNTS}/sa/token", {})
    assert made["kind"] == "TokenRequest"
    assert made["spec"]["expirationSeconds"] == 3600
    token = made["status"]["token"]
    assert re.fullmatch(r"[A-Za-z0-9-_=]+\.[A-Za-z0-9-_=]+\.?[A-Za-z0-9-_.+/=]*", token)
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    status = (await api.ok("POST", path, {"spec": {"token": token}}))["status"]
    assert status["authenticated"] is True
    assert not status.get("error")
    assert status["user"]["username"] == "system:serviceaccount:default:sa"
    assert set(status["user"]["groups"]) == {
        "system:authenticated", "system:serviceaccounts", "system:serviceaccounts:default",
    }  # fmt: skip
    (identity,) = status["user"]["extra"]["authentication.kubernetes.io/credential-id"]
    assert identity.startswith("JTI=")


@pytest.mark.case(CASES + "run through the lifecycle of a ServiceAccount [Conformance]")
async def test_life_of_an_account(api):
    labels, selector = {"test-serviceaccount-static": "true"}, "test-serviceaccount-static=true"
    async with watching(api, ACCOUNTS, labelSelector=selector) as watch:
        made = await api.ok("POST", ACCOUNTS, {"metadata": {"name": "sa", "labels": labels}})
        assert (await watch.event())[0] == "ADDED"
        assert (await api.ok("GET", f"{ACCOUNTS}/sa"))["metadata"]["uid"] == made["metadata"]["uid"]
        await api.patch(f"{ACCOUNTS}/sa", {"automountServiceAccountToken": False}, "strategic")
        kind, obj = await watch.event()
        assert (kind, obj["automountServiceAccountToken"]) == ("MODIFIED", False)
        listed = await api.ok("GET", "/api/v1/serviceaccounts", labelSelector=selector)
        assert [item["metadata"]["name"] for item in listed["items"]] == ["sa"]
        await api.ok("DELETE", ACCOUNTS)
        assert (await watch.event())[0] == "DELETED"


@pytest.mark.case(CASES + "update a ServiceAccount [Conformance]")
async def test_update_of_an_account(api):
    made = await account(api, "sa", automountServiceAccountToken=False)
    updated = await api.ok("PUT", f"{ACCOUNTS}/sa", {**made, "automountServiceAccountToken": True})
    assert updated["automountServiceAccountToken"] is True


REVIEWS = "/apis/authorization.k8s.io/v1"


@pytest.mark.case("[sig-auth] SubjectReview should support SubjectReview API operations [Conformance]")
async def test_reviews(api, pki):
    made = await account(api, "e2e")
    name = "system:serviceaccount:default:e2e"
    groups = ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:default"]
    asked = {"namespace": "default", "verb": "list", "version": "v1", "resource": "configmaps"}
    spec = {"resourceAttributes": asked, "groups": groups, "uid": made["metadata"]["uid"]}
    answers = [
        await api.ok("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": {**spec, "user": name}}),
        await api.ok(
            "POST",
            f"{REVIEWS}/namespaces/default/localsubjectaccessreviews",
            {"metadata": {"namespace": "default"}, "spec": {**spec, "user": "e2e"}},
        ),
    ]
    assert [answer["status"]["allowed"] for answer in answers] == [False, False]
    headers = [("Impersonate-User", name), ("Impersonate-Uid", made["metadata"]["uid"])]
    headers += [("Impersonate-Group", group) for group in groups]
    async with api.session.get(f"{CORE}/configmaps", headers=headers) as response:
        assert response.status == 403


async def test_what_a_token_may_be_asked_for(api):
    await account(api, "sa")

    async def causes(**spec):
        answer = await api.ask("POST", f"{ACCOUNTS}/sa/token", {"spec": spec})
        return answer.status, answer.json["message"]

    assert await causes(expirationSeconds=5) == (
        422,
        'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 5: '
        "may not "
        "specify a duration less than 10 minutes",
    )
    missing = {"apiVersion": "v1", "kind": "Pod", "name": "missing"}
    assert await causes(boundObjectRef=missing) == (404, 'pods "missing" not found')
    odd = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    status, message = await causes(boundObjectRef=odd)
    assert (status, message) == (400, "cannot bind token to object of type apps/v1, Kind=Deployment")


async def test_a_token_bound_to_a_pod_dies_with_it(api, server, pki):
    await account(api, "sa")
    made = await api.ok("POST", PODS, pod("p", "sa", None))
    ref = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": made["metadata"]["uid"]}
    token = (await api.ok("POST", f"{ACCOUNTS}/sa/token", {"spec": {"boundObjectRef": ref}}))["status"][
        "token"
    ]
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    extra = (await api.ok("POST", path, {"spec": {"token": token}}))["status"]["user"]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == ["p"]
    context = tls.client_context(pki / "ca.crt")
    origin = str(api.session._base_url)
    async with ClientSession(origin, connector=TCPConnector(ssl=context)) as session:
        bearer = {"Authorization": f"Bearer {token}"}
        assert (await API(session).ask("GET", "/api", headers=bearer)).status == 200
        await api.ok("DELETE", f"{PODS}/p")
        assert (await API(session).ask("GET", "/api", headers=bearer)).status == 401
