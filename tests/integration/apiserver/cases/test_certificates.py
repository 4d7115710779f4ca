"""The conformance case of certificate requests, and what their subresources refuse."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from api.types.certificates_v1 import CERTIFICATESIGNINGREQUESTS
from kit import tls
from tests.integration.apiserver.cases.crud import Script, run

SIGNER = "example.com/e2e-signer"


@pytest.fixture(scope="module")
def request_text():
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e-test")])
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return base64.b64encode(csr.public_bytes(Encoding.PEM)).decode()


@pytest.fixture(scope="module")
def certificate():
    return base64.b64encode(tls.new_ca("issuer").cert).decode()


def body(request_text, **spec):
    usages = ["digital signature", "key encipherment", "server auth"]
    return {"spec": {"request": request_text, "signerName": SIGNER, "usages": usages, **spec}}


@pytest.mark.case(
    "[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations [Conformance]"
)
async def test_certificate_requests(api, request_text, certificate):
    script = Script(CERTIFICATESIGNINGREQUESTS, lambda name: body(request_text, expirationSeconds=3600))
    await run(api, script)
    path = script.path("csr")
    claimed = {"username": "someone-else", "groups": ["system:masters"], "uid": "1"}
    given = script.labelled("csr")
    made = await api.ok("POST", script.path(), {**given, "spec": {**given["spec"], **claimed}})
    assert made["spec"]["username"] == "admin"
    assert "system:authenticated" in made["spec"]["groups"]
    assert "uid" not in made["spec"]
    assert made["spec"]["expirationSeconds"] == 3600
    listed = await api.ok("GET", script.path(), fieldSelector=f"spec.signerName={SIGNER}")
    assert [item["metadata"]["name"] for item in listed["items"]] == ["csr"]

    assert (await api.ok("GET", f"{path}/approval"))["metadata"]["uid"] == made["metadata"]["uid"]
    first = {"type": "ApprovalPatch", "status": "True", "reason": "e2e"}
    note = {"metadata": {"annotations": {"patchedapproval": "true"}}}
    patched = (await api.patch(f"{path}/approval", {**note, "status": {"conditions": [first]}})).json
    assert [item["type"] for item in patched["status"]["conditions"]] == ["ApprovalPatch"]
    assert patched["metadata"]["annotations"] == {"patchedapproval": "true"}
    conditions = [*patched["status"]["conditions"], {"type": "Approved", "status": "True", "reason": "e2e"}]
    approved = await api.ok("PUT", f"{path}/approval", {**patched, "status": {"conditions": conditions}})
    assert [item["type"] for item in approved["status"]["conditions"]] == ["ApprovalPatch", "Approved"]
    assert all(item["lastTransitionTime"] for item in approved["status"]["conditions"])

    note = {"metadata": {"annotations": {"patchedstatus": "true"}}}
    issued = (await api.patch(f"{path}/status", {**note, "status": {"certificate": certificate}})).json
    assert issued["status"]["certificate"] == certificate
    assert issued["metadata"]["annotations"]["patchedstatus"] == "true"
    more = [*issued["status"]["conditions"], {"type": "StatusUpdate", "status": "True", "reason": "e2e"}]
    updated = await api.ok(
        "PUT", f"{path}/status", {**issued, "status": {**issued["status"], "conditions": more}}
    )
    assert [item["type"] for item in updated["status"]["conditions"]] == [
        "ApprovalPatch", "Approved", "StatusUpdate",
    ]  # fmt: skip
    assert updated["status"]["certificate"] == certificate
    read = await api.ok("GET", f"{path}/status")
    assert (read["kind"], read["metadata"]["uid"]) == ("CertificateSigningRequest", made["metadata"]["uid"])


def condition(kind, **fields):
    return {"type": kind, "status": "True", "reason": "r", **fields}


@pytest.mark.parametrize(
    ("subresource", "status", "expected"),
    [
        pytest.param(
            "/approval",
            {"conditions": [condition("Approved"), condition("Denied")]},
            [
                'status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are '
                "mutually exclusive"
            ],
            id="both",
        ),
        pytest.param(
            "/approval",
            {"conditions": [condition("Denied", status="False")]},
            ['status.conditions[0].status: Unsupported value: "False": supported values: "True"'],
            id="denied-false",
        ),
        pytest.param(
            "/status",
            {"conditions": [condition("Approved")]},
            ['status.conditions: Forbidden: updates may not add a condition of type "Approved"'],
            id="approved-by-status",
        ),
        pytest.param(
            "/status",
            {"certificate": "bm9uZQ=="},
            [
                'status.certificate: Invalid value: "<certificate data>": must contain at least one '
                "CERTIFICATE PEM block"
            ],
            id="no-certificate",
        ),
    ],
)
async def test_refused_decisions(api, request_text, subresource, status, expected):
    path = CERTIFICATESIGNINGREQUESTS.path()
    made = await api.ok("POST", path, {"metadata": {"name": "csr"}, **body(request_text)})
    answer = await api.ask("PUT", f"{path}/csr{subresource}", {**made, "status": status})
    assert answer.status == 422, answer.body
    causes = answer.json["details"]["causes"]
    assert [f"{cause['field']}: {cause['message']}" for cause in causes] == expected


async def test_decisions_and_certificates_are_final(api, request_text, certificate):
    path = CERTIFICATESIGNINGREQUESTS.path()
    made = await api.ok("POST", path, {"metadata": {"name": "csr"}, **body(request_text)})
    approved = await api.ok(
        "PUT", f"{path}/csr/approval", {**made, "status": {"conditions": [condition("Approved")]}}
    )
    undone = await api.ask("PUT", f"{path}/csr/approval", {**approved, "status": {}})
    assert 'updates may not remove a condition of type "Approved"' in undone.json["message"]
    status = {**approved["status"], "certificate": certificate}
    issued = await api.ok("PUT", f"{path}/csr/status", {**approved, "status": status})
    other = base64.b64encode(tls.new_ca("other").cert).decode()
    again = await api.patch(f"{path}/csr/status", {"status": {"certificate": other}})
    assert "updates may not modify existing certificate content" in again.json["message"]
    main = await api.ok("PUT", f"{path}/csr", {**issued, "status": {}, "spec": {"request": "eA=="}})
    assert (main["status"], main["spec"]) == (issued["status"], issued["spec"])
