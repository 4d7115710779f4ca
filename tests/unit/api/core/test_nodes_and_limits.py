"""Nodes, resource quotas, limit ranges, and the resources that containers and pods ask for."""

import pytest

from api.core import limitrange, node, resourcequota
from api.core.pod import validate as validate_pod
from tests.unit.api.kinds_sample import full_pod, texts

META = {"name": "x", "namespace": "d", "resourceVersion": "1"}
NODE_META = {"name": "x", "resourceVersion": "1"}


def a_node(status=None, **spec):
    return node.defaults({"metadata": NODE_META, "spec": spec, "status": status or {}})


def test_the_old_field_for_the_pods_network_and_the_new_one_say_the_same():
    assert a_node(podCIDR="10.0.0.0/24")["spec"]["podCIDRs"] == ["10.0.0.0/24"]
    assert a_node(podCIDRs=["10.0.0.0/24"])["spec"]["podCIDR"] == "10.0.0.0/24"
    made = a_node(podCIDR="10.0.0.0/24", podCIDRs=["10.0.1.0/24"])
    assert made["spec"]["podCIDRs"] == ["10.0.0.0/24"]


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(a_node(), [], id="fine"),
        pytest.param(
            a_node(taints=[{"key": "a", "effect": "Odd"}]),
            [
                'metadata.taints[0].effect: Unsupported value: "Odd": supported values: "NoSchedule", '
                '"PreferNoSchedule", "NoExecute"'
            ],
            id="effect",
        ),
        pytest.param(
            a_node(taints=[{"key": "a", "effect": "NoExecute"}, {"key": "a", "effect": "NoExecute"}]),
            [
                'metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoExecute"}: taints must be '
                "unique "
                "by key and effect pair"
            ],
            id="taint-twice",
        ),
        pytest.param(
            a_node({"capacity": {"example.com/gpu": "1500m", "memory": "-1"}}),
            [
                'status.capacity.example.com/gpu: Invalid value: "1500m": must be an integer',
                'status.capacity.memory: Invalid value: "-1": must be greater than or equal to 0',
                'status.allocatable.example.com/gpu: Invalid value: "1500m": must be an integer',
                'status.allocatable.memory: Invalid value: "-1": must be greater than or equal to 0',
            ],
            id="resources",
        ),
        pytest.param(
            a_node(podCIDRs=["10.0.0.0/24", "10.0.1.0/24"]),
            [
                'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than '
                "one CIDR "
                "for each IP family"
            ],
            id="one-family",
        ),
    ],
)
def test_node(obj, expected):
    assert texts(node.validate(obj)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(a_node(), a_node(podCIDRs=["10.0.0.0/24"], providerID="p"), [], id="set-once"),
        pytest.param(
            a_node(podCIDRs=["10.0.0.0/24"], providerID="p"),
            a_node(podCIDRs=["10.0.1.0/24"], providerID="q"),
            [
                'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
                'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
            ],
            id="then-fixed",
        ),
        pytest.param(
            a_node(),
            a_node(externalID="e"),
            ["spec.externalID: Forbidden: may not be updated"],
            id="external",
        ),
        pytest.param(
            a_node(),
            a_node({"addresses": [{"type": "InternalIP", "address": "1.1.1.1"}] * 2}),
            ['status.addresses[1]: Duplicate value: {"type":"InternalIP","address":"1.1.1.1"}'],
            id="address-twice",
        ),
        pytest.param(
            a_node(),
            a_node(configSource={"configMap": {"uid": "u", "name": "n", "namespace": "d"}}),
            [
                "spec.configSource.configMap.uid: Forbidden: uid must not be set in spec",
                "spec.configSource.configMap.kubeletConfigKey: Required value: kubeletConfigKey must be set",
            ],
            id="config-source",
        ),
        pytest.param(
            a_node(),
            a_node({"config": {"active": {}}}),
            ["status.config.active: Invalid value: {}: exactly one reference subfield must be non-nil"],
            id="config-in-use",
        ),
    ],
)
def test_node_update(old, new, expected):
    assert texts(node.validate_update(new, old)) == expected
    assert texts(node.validate_status_update(new, old)) == expected


S = "spec.scopeSelector.matchExpressions"
EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
    "ResourceQuotaScopeCrossNamespacePodAffinity"
)


def selecting(**term):
    return {"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": [term]}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"hard": {"pods": "1", "count/jobs.batch": "2", "requests.hugepages-2Mi": "2Mi"}}, [], id="fine"
        ),
        pytest.param(
            {"hard": {"storage": "1", "odd": "1"}},
            [
                'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota',
                'spec.hard[odd]: Invalid value: "odd": must be a standard resource type or fully qualified',
                'spec.hard[odd]: Invalid value: "odd": must be a standard resource for quota',
            ],
            id="names",
        ),
        pytest.param(
            {"hard": {"pods": "1500m"}},
            ['spec.hard[pods]: Invalid value: "1500m": must be an integer'],
            id="whole",
        ),
        pytest.param(
            {"hard": {"cpu": "1"}, "scopes": ["BestEffort"]},
            ['spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource'],
            id="unfit",
        ),
        pytest.param(
            {"hard": {"pods": "1"}, "scopes": ["Terminating", "NotTerminating"]},
            ['spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes'],
            id="conflict",
        ),
        pytest.param(
            selecting(scopeName="Terminating", operator="In", values=["a"]),
            [f'{S}.operator: Invalid value: "In": {EXISTS}'],
            id="must-exist",
        ),
        pytest.param(
            selecting(scopeName="PriorityClass", operator="In"),
            [
                f"{S}.values: Required value: must be at least one value when `operator` is 'In' or "
                f"'NotIn' for scope "
                "selector"
            ],
            id="no-values",
        ),
        pytest.param(
            selecting(scopeName="PriorityClass", operator="Exists", values=["a"]),
            [
                f"{S}.values: Invalid value: [\"a\"]: must be no value when `operator` is 'Exist' or "
                f"'DoesNotExist' for "
                "scope selector"
            ],
            id="values",
        ),
        pytest.param(
            selecting(scopeName="Odd", operator="Odd"),
            [
                f'{S}.scopeName: Invalid value: "Odd": unsupported scope',
                f'{S}.operator: Invalid value: "Odd": not a valid selector operator',
            ],
            id="odd",
        ),
    ],
)
def test_quota(spec, expected):
    assert texts(resourcequota.validate({"metadata": META, "spec": spec})) == expected


def test_the_scopes_of_a_quota_stay_and_its_status_is_checked():
    old = {"metadata": META, "spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}}
    new = {"metadata": META, "spec": {"hard": {"pods": "2"}}, "status": {"hard": {"odd": "1"}}}
    assert texts(resourcequota.validate_update(new, old)) == [
        "spec.scopes: Invalid value: []: field is immutable"
    ]
    assert texts(resourcequota.validate_status_update(new, old)) == [
        'status.hard[odd]: Invalid value: "odd": must be a standard resource type or fully qualified',
        'status.hard[odd]: Invalid value: "odd": must be a standard resource for quota',
    ]


L = "spec.limits[0]"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param({"type": "Container", "max": {"cpu": "1"}}, [], id="fine"),
        pytest.param(
            {"type": "Odd"},
            [f'{L}.type: Invalid value: "Odd": must be a standard limit type or fully qualified'],
            id="type",
        ),
        pytest.param(
            {"type": "Pod", "default": {"cpu": "1"}},
            [f"{L}.default: Forbidden: may not be specified when `type` is 'Pod'"],
            id="pods-have-no-defaults",
        ),
        pytest.param(
            {"type": "Container", "max": {"storage": "1"}},
            [
                f'{L}.{name}[storage]: Invalid value: "storage": must be a standard resource for containers'
                for name in ("max", "default", "defaultRequest")
            ],
            id="name",
        ),
        pytest.param(
            {"type": "PersistentVolumeClaim", "max": {"cpu": "1"}},
            [
                f"{L}.limits: Required value: either minimum or maximum storage value is required, but "
                f"neither was "
                "provided"
            ],
            id="claims-need-storage",
        ),
        pytest.param(
            {"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}},
            [f'{L}.min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'],
            id="min-max",
        ),
        pytest.param(
            {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "2"}},
            [
                f'{L}.defaultRequest[cpu]: Invalid value: "2": default request value 2 is greater than '
                f"default limit "
                "value 1"
            ],
            id="defaults",
        ),
        pytest.param(
            {"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}},
            [
                f'{L}.maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = '
                f"2.000000"
            ],
            id="ratio",
        ),
        pytest.param(
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "500m"}},
            [f'{L}.maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1'],
            id="small-ratio",
        ),
        pytest.param(
            {
                "type": "Container",
                "default": {"hugepages-2Mi": "4Mi"},
                "defaultRequest": {"hugepages-2Mi": "2Mi"},
            },
            [
                f'{L}.defaultRequest[hugepages-2Mi]: Invalid value: "2Mi": default value 4Mi must equal to '
                "defaultRequest value 2Mi in hugepages-2Mi"
            ],
            id="no-overcommitment",
        ),
    ],
)
def test_limit_range(item, expected):
    obj = limitrange.defaults({"metadata": META, "spec": {"limits": [item]}})
    assert texts(limitrange.validate(obj)) == expected


C = "spec.containers[0].resources"


def asking(**resources):
    return full_pod(containers=[{"name": "a", "image": "b", "resources": resources}])


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(
            asking(limits={"hugepages-2Mi": "3Mi", "cpu": "1"}),
            [
                f'{C}.{which}[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple '
                f"of hugepages-2Mi"
                for which in ("limits", "requests")
            ],
            id="pages",
        ),
        pytest.param(
            asking(limits={"storage": "1"}),
            [
                f'{C}.{which}[storage]: Invalid value: "storage": must be a standard resource for containers'
                for which in ("limits", "requests")
            ],
            id="not-for-containers",
        ),
        pytest.param(asking(), [], id="nothing"),
    ],
)
def test_requirements(pod, expected):
    assert texts(validate_pod(pod)) == expected


def using(*used, claims=("a",)):
    container = {"name": "c", "image": "b", "resources": {"claims": list(used)}}
    return full_pod(
        containers=[container], resourceClaims=[{"name": name, "resourceClaimName": name} for name in claims]
    )


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(using({"name": "a"}), [], id="fine"),
        pytest.param(
            using({"name": "a", "request": "x"}, {"name": "a", "request": "y"}), [], id="two-requests"
        ),
        pytest.param(
            using({"name": "a"}, {"name": "a"}), [f'{C}.claims[1]: Duplicate value: "a"'], id="twice"
        ),
        pytest.param(
            using({"name": "a", "request": "x"}, {"name": "a"}),
            [f'{C}.claims[1]: Duplicate value: "a"'],
            id="part",
        ),
        pytest.param(
            using({"name": "b"}),
            [f'{C}.claims[0]: Not found: "b": must be one of the names in pod.spec.resourceClaims: a'],
            id="unknown",
        ),
    ],
)
def test_claims(pod, expected):
    assert texts(validate_pod(pod)) == expected


def test_a_pod_as_a_whole_asks_for_few_resources():
    pod = full_pod(resources={"limits": {"example.com/gpu": "1"}, "requests": {"example.com/gpu": "1"}})
    assert texts(validate_pod(pod)) == [
        f'spec.resources.{which}[example.com/gpu]: Unsupported value: "example.com/gpu": supported values: '
        '"cpu", "hugepages-", "memory"'
        for which in ("limits", "requests")
    ]
