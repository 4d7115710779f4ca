"""Persistent volumes, claims, and the sources that volumes of pods and of the cluster share."""

import pytest

from api.codec.shapes import copy
from api.core import persistentvolume, persistentvolumeclaim
from api.core.persistentvolumeclaim import validate_status_update
from api.core.pod import validate as validate_pod
from tests.unit.api.kinds_sample import full_pod, texts

META = {"name": "x", "resourceVersion": "1"}
CLAIM_META = {**META, "namespace": "d"}
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def volume(**spec):
    base = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    made = {**base, **({} if "no_source" in spec else {"hostPath": {"path": "/a"}}), **spec}
    made.pop("no_source", None)
    return persistentvolume.defaults({"metadata": META, "spec": made})


def of_source(**spec):
    return volume(no_source=True, **spec)


AFFINITY = {
    "required": {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": "beta.kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
        ]
    }
}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(volume(), [], id="fine"),
        pytest.param(volume(accessModes=[]), ["spec.accessModes: Required value"], id="no-modes"),
        pytest.param(
            volume(accessModes=["ReadWriteOncePod", "ReadOnlyMany"]),
            ["spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"],
            id="once-pod-alone",
        ),
        pytest.param(
            volume(capacity={}),
            [
                "spec.capacity: Required value",
                'spec.capacity: Unsupported value: {}: supported values: "storage"',
            ],
            id="no-capacity",
        ),
        pytest.param(
            volume(capacity={"storage": "0"}),
            ['spec.capacity[storage]: Invalid value: "0": must be greater than zero'],
            id="nothing",
        ),
        pytest.param(of_source(), ["spec: Required value: must specify a volume type"], id="no-source"),
        pytest.param(
            volume(cephfs={"monitors": ["m"]}),
            ["spec.cephFS: Forbidden: may not specify more than 1 volume type"],
            id="two-sources",
        ),
        pytest.param(
            of_source(gcePersistentDisk={"partition": 300}),
            [
                "spec.persistentDisk.pdName: Required value",
                "spec.persistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive",
            ],
            id="disk",
        ),
        pytest.param(
            of_source(local={"path": "/a/../b"}),
            [
                "spec.local.path: Invalid value: \"/a/../b\": must not contain '..'",
                "spec.nodeAffinity: Required value: Local volume requires node affinity",
            ],
            id="local",
        ),
        pytest.param(
            of_source(local={"path": "/a"}, nodeAffinity={}),
            ["spec.nodeAffinity.required: Required value: must specify required node constraints"],
            id="affinity-without-terms",
        ),
        pytest.param(
            of_source(csi={"driver": "d", "nodeStageSecretRef": {}, "nodePublishSecretRef": {"name": "s"}}),
            [
                "spec.csi.volumeHandle: Required value",
                "spec.csi.nodePublishSecretRef.namespace: Required value",
            ],
            id="csi",
        ),
        pytest.param(
            of_source(cinder={"volumeID": "v", "secretRef": {"name": "s"}}),
            ["spec.cinder.secretRef.namespace: Required value"],
            id="cinder",
        ),
        pytest.param(
            of_source(
                iscsi={
                    "targetPortal": "p" * 64,
                    "iqn": "iqn.2001-04.com.example:a",
                    "lun": 0,
                    "initiatorName": "iqn.2001-04.com.example:a",
                }
            ),
            [
                f'spec.iscsi.targetportal: Invalid value: "{"p" * 64}": Total length of <volume name>:'
                "<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified."
            ],
            id="iscsi-initiator",
        ),
        pytest.param(
            of_source(glusterfs={"endpoints": "e", "path": "p", "endpointsNamespace": ""}),
            [
                'spec.glusterfs.endpointsNamespace: Invalid value: "": if the endpointnamespace is set, '
                "it must "
                "be a valid namespace name"
            ],
            id="glusterfs",
        ),
        pytest.param(
            volume(hostPath={"path": "/"}, persistentVolumeReclaimPolicy="Recycle"),
            [
                "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath mount "
                "of '/'"
            ],
            id="recycle-root",
        ),
        pytest.param(
            volume(volumeAttributesClassName=""),
            [
                "spec.volumeAttributesClassName: Required value: an empty string is disallowed",
                "spec.csi: Required value: has to be specified when using volumeAttributesClassName",
            ],
            id="attributes",
        ),
        pytest.param(
            volume(storageClassName="A"),
            [f'spec.storageClassName: Invalid value: "A": {SUBDOMAIN}'],
            id="class",
        ),
        pytest.param(
            volume(volumeMode="x"),
            ['spec.volumeMode: Unsupported value: "x": supported values: "Block", "Filesystem"'],
            id="mode",
        ),
    ],
)
def test_volume(obj, expected):
    assert texts(persistentvolume.validate(obj)) == expected


NEW_AFFINITY = copy(AFFINITY)
NEW_AFFINITY["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]["key"] = "kubernetes.io/os"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            volume(),
            volume(hostPath={"path": "/b"}),
            [
                "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after "
                "creation"
            ],
            id="source",
        ),
        pytest.param(
            volume(),
            volume(volumeMode="Block"),
            ['volumeMode: Invalid value: "Block": field is immutable'],
            id="mode",
        ),
        pytest.param(
            of_source(csi={"driver": "d", "volumeHandle": "h"}),
            of_source(
                csi={
                    "driver": "d",
                    "volumeHandle": "h",
                    "controllerExpandSecretRef": {"name": "a", "namespace": "b"},
                }
            ),
            [],
            id="a-secret-for-growth",
        ),
        pytest.param(volume(), volume(nodeAffinity=AFFINITY), [], id="affinity-once"),
        pytest.param(
            volume(nodeAffinity=AFFINITY), volume(nodeAffinity=NEW_AFFINITY), [], id="label-renamed"
        ),
        pytest.param(
            volume(nodeAffinity=NEW_AFFINITY),
            volume(),
            [
                'nodeAffinity: Invalid value: "null": field is immutable, except for updating from beta '
                "label to GA"
            ],
            id="affinity-gone",
        ),
    ],
)
def test_volume_update(old, new, expected):
    assert texts(persistentvolume.validate_update(new, old)) == expected


def claim(size="1Gi", phase="Pending", capacity=None, annotations=None, **spec):
    base = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    status = {"phase": phase, **({"capacity": {"storage": capacity}} if capacity else {})}
    metadata = {**CLAIM_META, **({"annotations": annotations} if annotations else {})}
    return persistentvolumeclaim.defaults({"metadata": metadata, "spec": {**base, **spec}, "status": status})


OTHER = {"kind": "Other", "name": "n", "apiGroup": "example.com"}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(claim(), [], id="fine"),
        pytest.param(
            claim(accessModes=[]),
            ["spec.accessModes: Required value: at least 1 access mode is required"],
            id="no-modes",
        ),
        pytest.param(
            claim(accessModes=["x"]),
            [
                'spec.accessModes: Unsupported value: "x": supported values: "ReadOnlyMany", '
                '"ReadWriteMany", '
                '"ReadWriteOnce", "ReadWriteOncePod"'
            ],
            id="mode",
        ),
        pytest.param(
            claim(size="0"),
            ['spec.resources[storage]: Invalid value: "0": must be greater than zero'],
            id="nothing",
        ),
        pytest.param(claim(resources={}), ["spec.resources[storage]: Required value"], id="no-size"),
        pytest.param(
            claim(dataSource={"kind": "X", "name": "n"}),
            [
                "spec.dataSource: Invalid value: \"X\": must be 'PersistentVolumeClaim' when referencing "
                "the default "
                "apiGroup",
                "spec.dataSourceRef: Invalid value: \"X\": must be 'PersistentVolumeClaim' when "
                "referencing the "
                "default apiGroup",
            ],
            id="source-of-core",
        ),
        pytest.param(
            claim(dataSource=OTHER, dataSourceRef={**OTHER, "name": "m"}),
            ['spec: Invalid value: "spec.dataSource": must match dataSourceRef'],
            id="sources-differ",
        ),
        pytest.param(
            claim(dataSource=OTHER, dataSourceRef={**OTHER, "namespace": "e"}),
            [
                'spec: Invalid value: "spec.dataSource": may not be specified when '
                "dataSourceRef.namespace is specified"
            ],
            id="source-elsewhere",
        ),
        pytest.param(
            claim(volumeAttributesClassName="A"),
            [f'spec.volumeAttributesClassName: Invalid value: "A": {SUBDOMAIN}'],
            id="attributes",
        ),
    ],
)
def test_claim(obj, expected):
    assert texts(persistentvolumeclaim.validate(obj)) == expected


UPDATABLE = (
    "spec: Forbidden: spec is immutable after creation except resources.requests and "
    "volumeAttributesClassName for bound claims"
)
SMALLER = "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
CLASS = "volume.beta.kubernetes.io/storage-class"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(claim(), claim(volumeName="v"), [], id="the-binder-names-the-volume"),
        pytest.param(claim(volumeName="v"), claim(volumeName="w"), [UPDATABLE], id="once"),
        pytest.param(claim(), claim("2Gi"), [UPDATABLE], id="unbound-stays"),
        pytest.param(claim(phase="Bound"), claim("2Gi", "Bound"), [], id="bound-grows"),
        pytest.param(
            claim("2Gi", "Bound", "2Gi"), claim("1Gi", "Bound", "2Gi"), [SMALLER], id="bound-does-not-shrink"
        ),
        pytest.param(
            claim("3Gi", "Bound", "1Gi"), claim("2Gi", "Bound", "1Gi"), [], id="failed-growth-taken-back"
        ),
        pytest.param(claim(), claim(storageClassName="fast"), [], id="class-once"),
        pytest.param(claim(storageClassName="a"), claim(storageClassName="b"), [UPDATABLE], id="class-stays"),
        pytest.param(
            claim(annotations={CLASS: "a"}),
            claim(annotations={CLASS: "b"}),
            [f'metadata.annotations[{CLASS}]: Invalid value: "b": field is immutable'],
            id="class-in-an-annotation",
        ),
        pytest.param(
            claim(phase="Bound", volumeAttributesClassName="a"),
            claim(phase="Bound", volumeAttributesClassName=""),
            [
                "spec.volumeAttributesClassName: Forbidden: update from non-nil value to an empty string is "
                "forbidden"
            ],
            id="attributes-emptied",
        ),
        pytest.param(
            claim(phase="Bound", volumeAttributesClassName="a"),
            claim(phase="Bound", volumeAttributesClassName="b"),
            [],
            id="attributes-changed",
        ),
    ],
)
def test_claim_update(old, new, expected):
    assert texts(persistentvolumeclaim.validate_update(new, old)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({"allocatedResourceStatuses": {"storage": "NodeResizePending"}}, [], id="fine"),
        pytest.param(
            {"allocatedResourceStatuses": {"cpu": "Odd"}},
            [
                'status.allocatedResourceStatus: Unsupported value: "cpu": supported values: "storage"',
                'status.allocatedResourceStatus: Unsupported value: "cpu": supported values: '
                '"ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", '
                '"NodeResizeInfeasible", "NodeResizePending"',
            ],
            id="odd",
        ),
        pytest.param(
            {"capacity": {"storage": "-1"}},
            ["status.capacity[storage]: Invalid value: -1: must be a valid resource quantity"],
            id="negative",
        ),
    ],
)
def test_claim_status(status, expected):
    old = claim()
    assert texts(validate_status_update({**old, "status": status}, old)) == expected


V = "spec.volumes[0]"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            {"gitRepo": {"repository": "r", "directory": "/x"}},
            [f'{V}.gitRepo.directory: Invalid value: "/x": must be a relative path'],
            id="git",
        ),
        pytest.param(
            {"nfs": {"server": "s", "path": "x"}},
            [f'{V}.nfs.path: Invalid value: "x": must be an absolute path'],
            id="nfs",
        ),
        pytest.param(
            {"iscsi": {"targetPortal": "p", "iqn": "x", "lun": 256, "chapAuthSession": True}},
            [
                f'{V}.iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa',
                f"{V}.iscsi.lun: Invalid value: 256: must be between 0 and 255, inclusive",
                f"{V}.iscsi.secretRef: Required value",
            ],
            id="iscsi",
        ),
        pytest.param(
            {"iscsi": {"targetPortal": "p", "iqn": "eui.0", "lun": 0}},
            [f'{V}.iscsi.iqn: Invalid value: "eui.0": must be valid format'],
            id="eui",
        ),
        pytest.param(
            {"fc": {}},
            [f"{V}.fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both"],
            id="fibre",
        ),
        pytest.param(
            {"fc": {"targetWWNs": ["a"]}},
            [f"{V}.fc.lun: Required value: lun is required if targetWWNs is specified"],
            id="lun",
        ),
        pytest.param(
            {"flocker": {}},
            [f"{V}.flocker: Required value: one of datasetName and datasetUUID is required"],
            id="flocker",
        ),
        pytest.param(
            {"flexVolume": {"driver": "d", "options": {"a.k8s.io/b": "c"}}},
            [
                f'{V}.flexVolume.options[a.k8s.io/b]: Invalid value: "a.k8s.io/b": kubernetes.io and k8s.io '
                "namespaces are reserved"
            ],
            id="flex",
        ),
        pytest.param(
            {"quobyte": {"registry": "r", "volume": "v"}},
            [
                f'{V}.quobyte.registry: Invalid value: "r": must be a host:port pair or multiple pairs '
                f"separated "
                "by commas"
            ],
            id="quobyte",
        ),
        pytest.param(
            {"azureDisk": {"diskName": "d", "diskURI": "u", "kind": "Managed"}},
            [
                f'{V}.azureDisk.diskURI: Unsupported value: "u": supported values: '
                f'"/subscriptions/{{sub-id}}/'
                'resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"'
            ],
            id="azure",
        ),
        pytest.param({"storageos": {}}, [f"{V}.storageos.volumeName: Required value"], id="storageos"),
        pytest.param(
            {"csi": {"driver": "d", "nodePublishSecretRef": {}}},
            [f"{V}.csi.nodePublishSecretRef.name: Required value"],
            id="csi",
        ),
        pytest.param(
            {"ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "x"}, "spec": {}}}},
            [
                f"{V}.ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set",
                f"{V}.ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access "
                f"mode is "
                "required",
                f"{V}.ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value",
            ],
            id="ephemeral",
        ),
        pytest.param(
            {
                "projected": {
                    "sources": [
                        {
                            "serviceAccountToken": {"expirationSeconds": 600, "path": ""},
                            "secret": {"name": "s"},
                        }
                    ]
                }
            },
            [
                f"{V}.projected.path: Required value",
                f"{V}.projected.sources[0]: Forbidden: may not specify more than 1 volume type per source",
            ],
            id="token",
        ),
        pytest.param(
            {
                "projected": {
                    "sources": [{"clusterTrustBundle": {"name": "a", "signerName": "b.c/d", "path": "p"}}]
                }
            },
            [
                f"{V}.projected.sources[0].clusterTrustBundle: Invalid value: "
                f'{{"name":"a","signerName":"b.c/d",'
                '"path":"p"}: only one of name and signerName may be used'
            ],
            id="bundle",
        ),
        pytest.param(
            {"projected": {"sources": [{"podCertificate": {"signerName": "b.c/d", "keyType": "X"}}]}},
            [
                f'{V}.projected.sources[0].podCertificate.keyType: Unsupported value: "X": supported values: '
                '"ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096"',
                f"{V}.projected.sources[0].podCertificate: Required value: specify at least one of "
                "credentialBundlePath, keyPath, and certificateChainPath",
            ],
            id="certificate",
        ),
    ],
)
def test_sources_of_pods(source, expected):
    pod = full_pod(volumes=[{"name": "v", **source}], serviceAccountName="default")
    assert texts(validate_pod(pod)) == expected


def test_the_first_source_in_upstreams_order_counts():
    pod = full_pod(volumes=[{"name": "v", "secret": {"secretName": "s"}, "emptyDir": {}}])
    assert texts(validate_pod(pod)) == [f"{V}.secret: Forbidden: may not specify more than 1 volume type"]
