"""What volumes hold, by kind; and which to set up and take down."""

import base64
from typing import Any

import pytest

from nodeagent.pod.downward import Facts
from nodeagent.volumes.atomic import FileContent
from nodeagent.volumes.plugin import Files, Host, Remote, Scratch, TokenSpec, View, VolumeError
from nodeagent.volumes.plugins.catalog import plugin_of
from nodeagent.volumes.plugins.persistent import claim_name
from nodeagent.volumes.plugins.projected import common_user, token_specs
from nodeagent.volumes.reconcile import RemovePod, SetUp, TearDown, VolumeKey, compute_actions

CONFIG = {"data": {"a": "1", "b": "2"}, "binaryData": {"raw": base64.b64encode(b"\xde\xca").decode()}}
SECRET = {"data": {"k": base64.b64encode(b"s3").decode()}}
POD: dict[str, dict[str, Any]] = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"x": "y"}},
    "spec": {
        "containers": [
            {"name": "main", "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}}},
        ]
    },
}
TOKEN = TokenSpec("", 3607)


def view(pod=POD, volumes=None):
    return View(pod, {"c": CONFIG}, {"s": SECRET}, {TOKEN: "jwt"}, volumes or {}, Facts(("10.1.0.5",)))


def layout(volume, pod=POD, volumes=None):
    return plugin_of(volume).layout({"name": "v", **volume}, view(pod, volumes))


def files(memory=False, mode=0o644, **contents):
    return Files({path: FileContent(data, mode) for path, data in contents.items()}, memory)


def nfs(**source):
    return {"metadata": {"name": "pv"}, "spec": {"capacity": {}, **source}}


CLAIM = {"persistentVolumeClaim": {"claimName": "x"}}


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        pytest.param({"configMap": {"name": "c"}}, files(a=b"1", b=b"2", raw=b"\xde\xca"), id="configmap"),
        pytest.param(
            {"configMap": {"name": "c", "items": [{"key": "a", "path": "d/e", "mode": 0o400}]}},
            Files({"d/e": FileContent(b"1", 0o400)}, memory=False),
            id="configmap-items",
        ),
        pytest.param(
            {"configMap": {"name": "c", "items": [{"key": "no", "path": "x"}], "optional": True}},
            files(),
            id="optional-key",
        ),
        pytest.param({"configMap": {"name": "no", "optional": True}}, files(), id="optional-configmap"),
        pytest.param(
            {"secret": {"secretName": "s", "defaultMode": 0o400}},
            files(memory=True, mode=0o400, k=b"s3"),
            id="secret",
        ),
        pytest.param(
            {
                "downwardAPI": {
                    "items": [
                        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                        {
                            "path": "cpu",
                            "resourceFieldRef": {"containerName": "main", "resource": "limits.cpu"},
                        },
                    ]
                }
            },
            files(memory=True, labels=b'x="y"', cpu=b"2"),
            id="downward-api",
        ),
        pytest.param(
            {
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                        {"configMap": {"name": "c", "items": [{"key": "a", "path": "ca.crt"}]}},
                        {"secret": {"name": "s"}},
                        {
                            "downwardAPI": {
                                "items": [
                                    {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
                                ]
                            }
                        },
                    ]
                }
            },
            files(memory=True, **{"token": b"jwt", "ca.crt": b"1", "k": b"s3", "namespace": b"ns"}),
            id="projected",
        ),
        pytest.param({"emptyDir": {}}, Scratch(memory=False), id="empty-dir"),
        pytest.param({}, Scratch(memory=False), id="no-source"),
        pytest.param(
            {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}, Scratch(True, 1 << 20), id="size-limit"
        ),
        pytest.param({"emptyDir": {"medium": "Memory"}}, Scratch(True, 64 << 20), id="pod-memory-limit"),
        pytest.param({"hostPath": {"path": "/x", "type": "File"}}, Host("/x", "File"), id="host-path"),
        pytest.param(
            {"nfs": {"server": "h", "path": "/e", "readOnly": True}},
            Remote("nfs", "h:/e", ("ro",)),
            id="nfs",
        ),
    ],
)
def test_layout(volume, expected):
    assert layout(volume) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param({"hostPath": {"path": "/h"}}, Host("/h"), id="host-path"),
        pytest.param({"local": {"path": "/l"}}, Host("/l", "Directory"), id="local"),
        pytest.param(
            {"nfs": {"server": "h", "path": "/e"}, "mountOptions": ["soft"]},
            Remote("nfs", "h:/e", ("soft",)),
            id="nfs",
        ),
    ],
)
def test_claims(source, expected):
    assert layout(CLAIM, volumes={"v": nfs(**source)}) == expected


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        pytest.param({"configMap": {"name": "no"}}, 'configmap "no" not found', id="configmap"),
        pytest.param({"secret": {"secretName": "no"}}, 'secret "no" not found', id="secret"),
        pytest.param(
            {"configMap": {"name": "c", "items": [{"key": "no", "path": "x"}]}},
            "references non-existent config key: no",
            id="config-key",
        ),
        pytest.param({"emptyDir": {"medium": "Tape"}}, 'unknown storage medium "Tape"', id="medium"),
        pytest.param({"flocker": {}}, "no volume plugin matched: flocker", id="unknown-kind"),
        pytest.param(
            {"projected": {"sources": [{"podCertificate": {}}]}},
            "projected source podCertificate is not supported",
            id="unknown-projection",
        ),
    ],
)
def test_refusals(volume, message):
    with pytest.raises(VolumeError) as error:
        layout(volume)
    assert error.value.message == message


def test_other_backings_are_named():
    with pytest.raises(VolumeError, match=r'PersistentVolume "pv" \(csi\)') as error:
        layout(CLAIM, volumes={"v": nfs(csi={})})
    assert not error.value.retryable


def test_claim_names():
    assert claim_name({"name": "v", **CLAIM}, "p") == "x"
    assert claim_name({"name": "v", "ephemeral": {}}, "p") == "p-v"
    assert claim_name({"name": "v", "emptyDir": {}}, "p") == ""


@pytest.mark.parametrize(
    ("pod_user", "users", "expected"),
    [
        pytest.param(None, [None, None], None, id="nobody-says"),
        pytest.param(1000, [None, None], 1000, id="the-pod-says"),
        pytest.param(None, [7, 7], 7, id="all-the-same"),
        pytest.param(1000, [None, 7], None, id="they-differ"),
    ],
)
def test_common_user(pod_user, users, expected):
    containers = [
        {"name": str(i), "securityContext": {"runAsUser": u} if u else {}} for i, u in enumerate(users)
    ]
    security = {"runAsUser": pod_user} if pod_user else {}
    assert common_user({"spec": {"securityContext": security, "containers": containers}}) == expected


def test_tokens_belong_to_the_user():
    volume = {"projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3607}}]}}
    assert list(token_specs(volume)) == [TOKEN]
    pod = {**POD, "spec": {**POD["spec"], "securityContext": {"runAsUser": 5}}}
    assert layout(volume, pod) == Files({"t": FileContent(b"jwt", 0o600, 5)}, memory=True)


def test_compute_actions():
    kept, new, old = VolumeKey("a", "f", "kept"), VolumeKey("a", "f", "new"), VolumeKey("a", "f", "old")
    gone = VolumeKey("b", "f", "v")
    desired, actual = {"a": {kept, new}}, {"a": {kept, old}, "b": {gone}}
    assert compute_actions(desired, actual) == (TearDown(old), RemovePod("b"), SetUp(new))
    assert compute_actions(desired, desired) == ()
