"""What kinds outside the core group fill in and refuse."""

from typing import Any

import pytest

from api.catalog import by_plural
from api.kinds import KindRules, kind_of
from api.resource import Obj
from tests.unit.api.kinds_sample import texts


def rules_of(group: str, version: str, plural: str) -> tuple[KindRules, Obj]:
    resource = by_plural(group, version, plural)
    assert resource is not None
    scope = {"namespace": "d"} if resource.namespaced else {}
    metadata = {"name": "x", "resourceVersion": "1", **scope}
    return kind_of(resource), {
        "apiVersion": resource.group_version,
        "kind": resource.kind,
        "metadata": metadata,
    }


RBAC = ("rbac.authorization.k8s.io", "v1")
ADMISSION = ("admissionregistration.k8s.io", "v1")
STORAGE = ("storage.k8s.io", "v1")
FLOW = ("flowcontrol.apiserver.k8s.io", "v1")
HOOK: dict[str, Any] = {
    "name": "a.b.c",
    "clientConfig": {"service": {"name": "s", "namespace": "d"}},
    "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
    "sideEffects": "None",
    "admissionReviewVersions": ["v1"],
}
MATCH = {"resourceRules": HOOK["rules"]}
CRD: dict[str, Any] = {
    "group": "example.com",
    "scope": "Namespaced",
    "names": {"plural": "foos", "kind": "Foo"},
    "versions": [
        {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    ],
}
FOO = {"name": "foos.example.com"}


@pytest.mark.parametrize(
    ("where", "body", "path", "value"),
    [
        pytest.param(
            (*RBAC, "rolebindings"),
            {"roleRef": {"kind": "Role", "name": "r"}},
            "roleRef.apiGroup",
            "rbac.authorization.k8s.io",
            id="role-ref",
        ),
        pytest.param(
            (*ADMISSION, "mutatingwebhookconfigurations"),
            {"webhooks": [HOOK]},
            "webhooks.0.reinvocationPolicy",
            "Never",
            id="mutating",
        ),
        pytest.param(
            (*ADMISSION, "validatingwebhookconfigurations"),
            {"webhooks": [HOOK]},
            "webhooks.0.timeoutSeconds",
            10,
            id="timeout",
        ),
        pytest.param(
            (*ADMISSION, "validatingwebhookconfigurations"),
            {"webhooks": [HOOK]},
            "webhooks.0.clientConfig.service.port",
            443,
            id="webhook-port",
        ),
        pytest.param(
            (*ADMISSION, "validatingwebhookconfigurations"),
            {"webhooks": [HOOK]},
            "webhooks.0.rules.0.scope",
            "*",
            id="rule-scope",
        ),
        pytest.param(
            (*ADMISSION, "validatingadmissionpolicies"),
            {"spec": {"matchConstraints": MATCH}},
            "spec.matchConstraints.matchPolicy",
            "Equivalent",
            id="policy",
        ),
        pytest.param(
            ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            {"spec": CRD},
            "spec.names.listKind",
            "FooList",
            id="list-kind",
        ),
        pytest.param(
            ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            {"spec": CRD},
            "spec.conversion",
            {"strategy": "None"},
            id="conversion",
        ),
        pytest.param((*STORAGE, "storageclasses"), {}, "volumeBindingMode", "Immediate", id="binding-mode"),
        pytest.param(
            (*STORAGE, "csidrivers"), {"spec": {}}, "spec.fsGroupPolicy", "ReadWriteOnceWithFSType", id="csi"
        ),
        pytest.param(
            ("scheduling.k8s.io", "v1", "priorityclasses"),
            {},
            "preemptionPolicy",
            "PreemptLowerPriority",
            id="preemption",
        ),
        pytest.param(
            (*FLOW, "prioritylevelconfigurations"),
            {"spec": {"limited": {}}},
            "spec.limited.lendablePercent",
            0,
            id="lendable",
        ),
        pytest.param(
            ("policy", "v1", "poddisruptionbudgets"), {"status": {}}, "status.disruptionsAllowed", 0, id="pdb"
        ),
        pytest.param(
            ("autoscaling", "v2", "horizontalpodautoscalers"),
            {"spec": {"behavior": {}}},
            "spec.behavior.scaleDown.selectPolicy",
            "Max",
            id="scale-down",
        ),
        pytest.param(
            ("autoscaling", "v1", "horizontalpodautoscalers"), {"spec": {}}, "spec.minReplicas", 1, id="v1"
        ),
    ],
)
def test_defaults(where, body, path, value):
    rules, obj = rules_of(*where)
    found: Any = rules.defaults({**obj, **body})
    for step in path.split("."):
        found = found[int(step)] if isinstance(found, list) else found[step]
    assert found == value


@pytest.mark.parametrize(
    ("where", "body", "expected"),
    [
        pytest.param(
            (*RBAC, "roles"),
            {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]},
            [],
            id="role",
        ),
        pytest.param(
            (*RBAC, "roles"),
            {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]},
            [
                'rules[0].nonResourceURLs: Invalid value: ["/x"]: '
                "namespaced rules cannot apply to non-resource URLs"
            ],
            id="role-urls",
        ),
        pytest.param(
            (*RBAC, "clusterroles"),
            {"rules": [{}]},
            [
                "rules[0].verbs: Required value: verbs must contain at least one value",
                "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                "rules[0].resources: Required value: resource rules must supply at least one resource",
            ],
            id="empty-rule",
        ),
        pytest.param(
            (*RBAC, "clusterroles"),
            {"aggregationRule": {}},
            [
                "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector "
                "required if aggregationRule is non-nil"
            ],
            id="aggregation",
        ),
        pytest.param(
            (*RBAC, "clusterrolebindings"),
            {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "ServiceAccount", "name": "a"}]},
            [
                'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
                "subjects[0].namespace: Required value",
            ],
            id="binding",
        ),
        pytest.param((*ADMISSION, "validatingwebhookconfigurations"), {"webhooks": [HOOK]}, [], id="webhook"),
        pytest.param(
            (*ADMISSION, "validatingwebhookconfigurations"),
            {"webhooks": [{**HOOK, "name": "a"}]},
            [
                'webhooks[0].name: Invalid value: "a": should be a domain with at least three segments '
                "separated by dots"
            ],
            id="webhook-name",
        ),
        pytest.param(
            (*ADMISSION, "validatingwebhookconfigurations"),
            {"webhooks": [{**HOOK, "clientConfig": {}}]},
            ["webhooks[0].clientConfig: Required value: exactly one of url or service is required"],
            id="nowhere",
        ),
        pytest.param(
            (*ADMISSION, "validatingwebhookconfigurations"),
            {"webhooks": [{**HOOK, "timeoutSeconds": 31}]},
            [
                "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 "
                "seconds"
            ],
            id="timeout",
        ),
        pytest.param(
            (*ADMISSION, "validatingadmissionpolicies"),
            {"spec": {"matchConstraints": MATCH}},
            [
                "spec.validations: Required value: validations or auditAnnotations must contain at least one "
                "item",
                "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at "
                "least "
                "one item",
            ],
            id="policy-without-validations",
        ),
        pytest.param(
            (*ADMISSION, "validatingadmissionpolicybindings"),
            {"spec": {"policyName": "p", "validationActions": ["Shout"]}},
            [
                'spec.validationActions[0]: Unsupported value: "Shout": supported values: '
                '"Audit", "Deny", "Warn"'
            ],
            id="action",
        ),
        pytest.param(
            ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            {"spec": CRD},
            ['metadata.name: Invalid value: "x": must be spec.names.plural+"."+spec.group'],
            id="crd-name",
        ),
        pytest.param(
            ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            {"metadata": FOO, "spec": {**CRD, "versions": []}},
            ["spec.versions: Invalid value: []: must have exactly one version marked as storage version"],
            id="crd-without-versions",
        ),
        pytest.param(
            ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            {"metadata": FOO, "spec": CRD},
            [],
            id="crd",
        ),
        pytest.param(
            (*STORAGE, "storageclasses"),
            {"provisioner": "a.io/b", "reclaimPolicy": "Burn"},
            ['reclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Retain"'],
            id="reclaim-policy",
        ),
        pytest.param(
            ("scheduling.k8s.io", "v1", "priorityclasses"),
            {"value": 2_000_000_000},
            ["value: Forbidden: maximum allowed value of a user defined priority is 1000000000"],
            id="priority",
        ),
        pytest.param(
            (*FLOW, "prioritylevelconfigurations"),
            {"spec": {"type": "Limited"}},
            ["spec.limited: Required value: must not be empty when type is Limited"],
            id="level",
        ),
        pytest.param(
            ("policy", "v1", "poddisruptionbudgets"),
            {"spec": {"minAvailable": "101%"}},
            ['spec.minAvailable: Invalid value: "101%": must not be greater than 100%'],
            id="pdb",
        ),
        pytest.param(
            ("autoscaling", "v2", "horizontalpodautoscalers"),
            {"spec": {"maxReplicas": 1, "minReplicas": 2, "scaleTargetRef": {"kind": "D", "name": "d"}}},
            ["spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`"],
            id="hpa",
        ),
        pytest.param(
            ("certificates.k8s.io", "v1", "certificatesigningrequests"),
            {"spec": {"request": "eA==", "usages": ["any"], "signerName": "a.io/b", "expirationSeconds": 5}},
            [
                'spec.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST',
                "spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600 seconds "
                "(10 minutes)",
            ],
            id="csr",
        ),
        pytest.param(("node.k8s.io", "v1", "runtimeclasses"), {"handler": "runc"}, [], id="runtime-class"),
    ],
)
def test_validate(where, body, expected):
    rules, obj = rules_of(*where)
    assert texts(rules.validate(rules.defaults({**obj, **body}))) == expected


@pytest.mark.parametrize(
    ("where", "old", "new", "expected"),
    [
        pytest.param(
            (*RBAC, "rolebindings"),
            {"roleRef": {"kind": "Role", "name": "a"}},
            {"roleRef": {"kind": "Role", "name": "b"}},
            [
                'roleRef: Invalid value: {"kind":"Role","name":"b","apiGroup":"rbac.authorization.k8s.io"}: '
                "cannot change roleRef"
            ],
            id="role-ref",
        ),
        pytest.param(
            ("scheduling.k8s.io", "v1", "priorityclasses"),
            {"value": 1},
            {"value": 2},
            ["value: Forbidden: may not be changed in an update."],
            id="priority",
        ),
        pytest.param(
            (*STORAGE, "storageclasses"),
            {"provisioner": "a"},
            {"provisioner": "b"},
            ["provisioner: Forbidden: updates to provisioner are forbidden."],
            id="provisioner",
        ),
        pytest.param(
            ("apps", "v1", "controllerrevisions"),
            {"data": {"a": 1}},
            {"data": {"a": 2}},
            ['data: Invalid value: {"a":2}: field is immutable'],
            id="revision",
        ),
        pytest.param(
            ("discovery.k8s.io", "v1", "endpointslices"),
            {"addressType": "IPv4"},
            {"addressType": "IPv6"},
            ['addressType: Invalid value: "IPv6": field is immutable'],
            id="address-type",
        ),
        pytest.param(
            (*STORAGE, "volumeattributesclasses"),
            {"driverName": "a", "parameters": {"a": "b"}},
            {"driverName": "b", "parameters": {"a": "b"}},
            ["driverName: Forbidden: updates to driverName are forbidden."],
            id="attributes",
        ),
    ],
)
def test_update(where, old, new, expected):
    rules, obj = rules_of(*where)
    before, after = rules.defaults({**obj, **old}), rules.defaults({**obj, **new})
    assert texts(rules.validate_update(after, before)) == expected
