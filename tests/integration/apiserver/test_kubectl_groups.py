"""kubectl with the kinds of other groups: what it prints, approves, asks and applies."""

import base64
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.integration.apiserver.kubectl import Kubectl


@pytest.fixture
def kubectl(kubeconfig):
    return Kubectl(kubeconfig)


def manifest(version, kind, name, **body):
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": name}, **body})


async def test_certificates(kubectl):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "joe")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = csr.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    text = base64.b64encode(signed.public_bytes(Encoding.PEM)).decode()
    spec = {
        "request": text,
        "signerName": "example.com/s",
        "usages": ["client auth"],
        "expirationSeconds": 3600,
    }
    for name in ("a", "b"):
        body = manifest("certificates.k8s.io/v1", "CertificateSigningRequest", name, spec=spec)
        await kubectl.ok("create", "-f", "-", text=body)
    await kubectl.ok("certificate", "approve", "a")
    await kubectl.ok("certificate", "deny", "b")
    lines = (await kubectl.ok("get", "csr")).splitlines()
    assert lines[0].split() == ["NAME", "AGE", "SIGNERNAME", "REQUESTOR", "REQUESTEDDURATION", "CONDITION"]
    assert [line.split()[2:] for line in lines[1:]] == [
        ["example.com/s", "admin", "60m", "Approved"],
        ["example.com/s", "admin", "60m", "Denied"],
    ]
    refused = await kubectl("certificate", "deny", "a")
    assert (refused.code, "already Approved" in refused.err) == (1, True)


async def test_devices(kubectl):
    claim = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}]}}
    pool = {"name": "p", "resourceSliceCount": 1}
    slice_spec = {"driver": "dra.example.com", "nodeName": "n", "pool": pool, "devices": [{"name": "d"}]}
    for text in (
        manifest("resource.k8s.io/v1", "DeviceClass", "gpu", spec={}),
        manifest("resource.k8s.io/v1", "ResourceClaim", "c", spec=claim),
        manifest("resource.k8s.io/v1", "ResourceClaimTemplate", "t", spec={"spec": claim}),
        manifest("resource.k8s.io/v1", "ResourceSlice", "s", spec=slice_spec),
    ):
        await kubectl.ok("apply", "--server-side", "-f", "-", text=text)
        await kubectl.ok("apply", "--server-side", "-f", "-", text=text)
    assert (await kubectl.ok("get", "resourceclaims")).splitlines()[0].split() == ["NAME", "STATE", "AGE"]
    assert (await kubectl.ok("get", "resourceclaims")).splitlines()[1].split()[:2] == ["c", "pending"]
    assert (await kubectl.ok("get", "resourceslices")).splitlines()[1].split()[:4] == [
        "s", "n", "dra.example.com", "p",
    ]  # fmt: skip
    described = await kubectl.ok("describe", "resourceclaim", "c")
    assert "Device Class Name:  gpu" in described
    await kubectl.ok("delete", "resourceclaims,resourceclaimtemplates,resourceslices,deviceclasses", "--all")


async def test_rights(kubectl):
    await kubectl.ok("create", "role", "reader", "--verb=get,list", "--resource=pods")
    await kubectl.ok("create", "rolebinding", "reader", "--role=reader", "--user=joe")
    for name, answer in (("joe", "yes"), ("ann", "no")):
        asked = await kubectl("auth", "can-i", "list", "pods", f"--as={name}")
        assert asked.out.strip() == answer
    listed = await kubectl.ok("auth", "can-i", "--list", "--as=joe")
    assert any(line.split()[0] == "pods" and "[get list]" in line for line in listed.splitlines() if line)
    shown = await kubectl.ok("auth", "whoami", "--as=joe", "--as-group=dev")
    assert "joe" in shown
    assert "[dev system:authenticated]" in shown


async def test_tables_of_storage_and_networking(kubectl):
    driver = manifest("storage.k8s.io/v1", "CSIDriver", "d.io", spec={})
    storage = manifest("storage.k8s.io/v1", "StorageClass", "fast", provisioner="d.io")
    await kubectl.ok("create", "-f", "-", text=driver)
    await kubectl.ok("create", "-f", "-", text=storage)
    await kubectl.ok("create", "ingress", "web", "--rule=foo.com/bar=svc:80", "--class=c")
    await kubectl.ok("create", "deployment", "web", "--image=i:1")
    await kubectl.ok("autoscale", "deployment", "web", "--max=3", "--cpu-percent=50")
    await kubectl.ok("create", "pdb", "web", "--selector=app=web", "--min-available=1")
    await kubectl.ok("create", "priorityclass", "high", "--value=7")
    for kind, row in (
        ("csidrivers", ["d.io", "true", "false", "false", "<unset>", "false", "Persistent"]),
        ("storageclasses", ["fast", "d.io", "Delete", "Immediate", "false"]),
        ("ingresses", ["web", "c", "foo.com", "80"]),
        ("hpa", ["web", "Deployment/web", "cpu:", "<unknown>/50%", "1", "3", "0"]),
        ("pdb", ["web", "1", "N/A", "0"]),
        ("priorityclasses", ["high", "7", "false"]),
    ):
        lines = (await kubectl.ok("get", kind)).splitlines()
        assert row in [line.split()[: len(row)] for line in lines], lines
