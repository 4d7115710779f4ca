"""Refusals of the kinds of dynamic resource allocation, in upstream's words."""

import pytest

from api.dra import deviceclass, resourceclaim, resourceclaimtemplate, resourceslice
from api.dra.lists import shortened
from tests.unit.api.kinds_sample import texts

UID = "3c0f6a1e-9a5c-4f6c-8d43-6a3a1c2f9d10"
RESULT = {"request": "r", "driver": "d.io", "pool": "p", "device": "dev"}


def claim(*requests, **devices):
    given = list(requests) or [{"name": "r", "exactly": {"deviceClassName": "c"}}]
    return {
        "metadata": {"name": "claim", "namespace": "default", "resourceVersion": "1"},
        "spec": {"devices": {"requests": given, **devices}},
    }


def exactly(**fields):
    return {"name": "r", "exactly": {"deviceClassName": "c", **fields}}


def faults(obj):
    return texts(resourceclaim.validate(resourceclaim.defaults(obj)))


AT = "spec.devices.requests[0]"


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(claim(), [], id="fine"),
        pytest.param(
            claim({"name": "r"}),
            [f"{AT}: Required value: exactly one of `exactly` or `firstAvailable` is required"],
            id="neither",
        ),
        pytest.param(
            claim({**exactly(), "firstAvailable": [{"name": "s", "deviceClassName": "c"}]}),
            [
                f'{AT}: Invalid value: "null": exactly one of `exactly` or `firstAvailable` is required, '
                "but multiple fields are set"
            ],
            id="both",
        ),
        pytest.param(
            claim({"name": "r", "exactly": {}}),
            [f"{AT}.exactly.deviceClassName: Required value"],
            id="no-class",
        ),
        pytest.param(
            claim(exactly(allocationMode="All", count=2)),
            [f"{AT}.exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"],
            id="all-of-two",
        ),
        pytest.param(
            claim(exactly(count=-1)),
            [f"{AT}.exactly.count: Invalid value: -1: must be greater than zero"],
            id="negative",
        ),
        pytest.param(
            claim(exactly(allocationMode="Some")),
            [
                f'{AT}.exactly.allocationMode: Unsupported value: "Some": supported values: "All", '
                '"ExactCount"'
            ],
            id="mode",
        ),
        pytest.param(
            claim(exactly(), exactly()), ['spec.devices.requests[1]: Duplicate value: "r"'], id="twice"
        ),
        pytest.param(
            claim(*[exactly()] * 33),
            ["spec.devices.requests: Too many: 33: must have at most 32 items"],
            id="many",
        ),
        pytest.param(
            claim(exactly(tolerations=[{"operator": "Exists", "value": "x", "effect": "Bad"}])),
            [
                f'{AT}.exactly.tolerations[0].value: Invalid value: "x": must be empty for operator `Exists`',
                f'{AT}.exactly.tolerations[0].effect: Unsupported value: "Bad": supported values: '
                '"NoExecute", '
                '"NoSchedule", "None"',
            ],
            id="toleration",
        ),
        pytest.param(
            claim(exactly(selectors=[{}])), [f"{AT}.exactly.selectors[0].cel: Required value"], id="selector"
        ),
        pytest.param(
            claim(exactly(selectors=[{"cel": {"expression": "x" * 10241}}])),
            [f"{AT}.exactly.selectors[0].cel.expression: Too long: may not be more than 10240 bytes"],
            id="long-expression",
        ),
        pytest.param(
            claim(constraints=[{"requests": ["r", "s", "a/b/c"], "matchAttribute": "model"}]),
            [
                'spec.devices.constraints[0].requests[1]: Invalid value: "s": must be the name of a request '
                "in the claim or the name of a request and a subrequest separated by '/'",
                'spec.devices.constraints[0].requests[2]: Invalid value: "a/b/c": must be the name of a '
                "request in the claim or the name of a request and a subrequest separated by '/'",
                'spec.devices.constraints[0].matchAttribute: Invalid value: "model": a fully qualified name '
                "must be a domain and a name separated by a slash",
            ],
            id="constraint",
        ),
        pytest.param(
            claim(constraints=[{}]),
            [
                'spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or '
                '"distinctAttribute" is required, but multiple fields are set'
            ],
            id="empty-constraint",
        ),
        pytest.param(
            claim(config=[{}, {"opaque": {"driver": "d.io", "parameters": [1]}}]),
            [
                "spec.devices.config[0].opaque: Required value",
                'spec.devices.config[1].opaque.parameters: Invalid value: "<value omitted>": must be a valid '
                "JSON object",
            ],
            id="config",
        ),
    ],
)
def test_claims(obj, expected):
    assert faults(obj) == expected


def test_defaults_of_requests():
    sub = {"name": "s", "deviceClassName": "c", "tolerations": [{"key": "k"}]}
    filled = resourceclaim.defaults(claim({"name": "r", "firstAvailable": [sub]}))
    assert filled["spec"]["devices"]["requests"][0]["firstAvailable"] == [
        {
            **sub,
            "allocationMode": "ExactCount",
            "count": 1,
            "tolerations": [{"key": "k", "operator": "Equal"}],
        }
    ]
    all_of = claim(exactly(allocationMode="All"))
    assert resourceclaim.defaults(all_of) is all_of


def with_status(**status):
    return {**resourceclaim.defaults(claim()), "status": status}


def allocated(*results, **fields):
    return {"devices": {"results": list(results) or [RESULT]}, **fields}


@pytest.mark.parametrize(
    ("status", "old", "expected"),
    [
        pytest.param({"allocation": allocated()}, {}, [], id="fine"),
        pytest.param(
            {"allocation": allocated({**RESULT, "request": "other", "shareID": "X"})},
            {},
            [
                'status.allocation.devices.results[0].request: Invalid value: "other": must be the name of a '
                "request in the claim or the name of a request and a subrequest separated by '/'",
                'status.allocation.devices.results[0].shareID: Invalid value: "X": error validating uid: '
                "invalid UUID length: 1",
            ],
            id="result",
        ),
        pytest.param(
            {"allocation": allocated({**RESULT, "shareID": UID.upper()})},
            {},
            [
                f'status.allocation.devices.results[0].shareID: Invalid value: "{UID.upper()}": uid must be '
                "in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase "
                "hexadecimal characters"
            ],
            id="uppercase-uid",
        ),
        pytest.param(
            {"reservedFor": [{"resource": "pods", "name": "p", "uid": "1"}]},
            {},
            ["status.reservedFor: Forbidden: may not be specified when `allocated` is not set"],
            id="reserved-of-nothing",
        ),
        pytest.param(
            {
                "allocation": allocated(),
                "reservedFor": [{"uid": "1"}, {"resource": "p", "uid": "1", "name": "n"}],
            },
            {},
            [
                "status.reservedFor[0].resource: Required value",
                "status.reservedFor[0].name: Required value",
                'status.reservedFor[1]: Duplicate value: "1"',
            ],
            id="consumers",
        ),
        pytest.param(
            {"devices": [{"driver": "d.io", "pool": "p", "device": "dev"}]},
            {},
            ['status.devices[0]: Invalid value: "d.io/p/dev": must be an allocated device in the claim'],
            id="report-of-another-device",
        ),
        pytest.param(
            {
                "allocation": allocated(),
                "devices": [
                    {
                        "driver": "d.io", "pool": "p", "device": "dev",
                        "networkData": {"ips": ["10.0.0.1", "10.0.0.1/24", "fe80::0/64"]},
                        "conditions": [{"type": "Ready", "status": "Yes"}],
                    }
                ],
            },
            {},
            [
                'status.devices[0].conditions[0].status: Unsupported value: "Yes": supported values: '
                '"False", '
                '"True", "Unknown"',
                "status.devices[0].conditions[0].lastTransitionTime: Required value: must be set",
                "status.devices[0].conditions[0].reason: Required value: must be set",
                'status.devices[0].networkData.ips[0]: Invalid value: "10.0.0.1": must be a valid address in '
                "CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)",
                'status.devices[0].networkData.ips[2]: Invalid value: "fe80::0/64": must be in canonical '
                "form "
                '("fe80::/64")',
            ],
            id="report",
        ),
        pytest.param({"allocation": allocated()}, {"allocation": allocated()}, [], id="same-allocation"),
        pytest.param({}, {"allocation": allocated()}, [], id="given-back"),
    ],
)  # fmt: skip
def test_statuses(status, old, expected):
    found = resourceclaim.validate_status_update(with_status(**status), with_status(**old))
    assert texts(found) == expected


def test_an_allocation_stays_and_the_deleted_take_no_new_consumers():
    old = with_status(allocation=allocated())
    new = with_status(allocation=allocated({**RESULT, "device": "other"}))
    [fault] = texts(resourceclaim.validate_status_update(new, old))
    assert fault.startswith("status.allocation: Invalid value: ")
    assert fault.endswith("field is immutable")
    consumer = {"resource": "pods", "name": "p", "uid": "1"}
    new = with_status(allocation=allocated(), reservedFor=[consumer])
    new["metadata"] = {**new["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    old["metadata"] = new["metadata"]
    assert texts(resourceclaim.validate_status_update(new, old)) == [
        "status.reservedFor: Forbidden: new entries may not be added while `deallocationRequested` or "
        "`deletionTimestamp` are set"
    ]


@pytest.mark.parametrize("module", [resourceclaim, resourceclaimtemplate], ids=["claim", "template"])
def test_specs_are_immutable(module):
    old = claim()
    assert module.validate_update(old, old) == []
    [fault] = texts(module.validate_update(claim(exactly(count=3)), old))
    assert fault.startswith("spec: Invalid value: ")
    assert fault.endswith("field is immutable")


def test_templates():
    spec = {"metadata": {"labels": {"a b": "c"}}, "spec": {"devices": {"requests": [{"name": "r"}]}}}
    found = texts(resourceclaimtemplate.validate({**claim(), "spec": spec}))
    assert found[0].startswith('spec.metadata.labels: Invalid value: "a b": name part must consist of')
    assert found[1].startswith("spec.spec.devices.requests[0]: Required value: exactly one of")


def test_classes():
    def obj(**spec):
        return {"metadata": {"name": "c", "resourceVersion": "1"}, "spec": spec}

    [fault] = texts(deviceclass.validate(obj(extendedResourceName="cpu")))
    assert fault == 'spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name'
    assert deviceclass.validate(obj(extendedResourceName="example.com/gpu")) == []
    large = {"opaque": {"driver": "d.io", "parameters": {"k": "x" * 10241}}}
    [fault] = texts(deviceclass.validate(obj(config=[large])))
    assert fault == "spec.config[0].opaque.parameters: Too long: may not be more than 10240 bytes"
    # What was stored when the limit was another one stays.
    assert deviceclass.validate_update(obj(config=[large]), obj(config=[large])) == []
    assert len(deviceclass.validate_update(obj(config=[large]), obj())) == 1


def slices(**spec):
    pool = {"name": "p", "resourceSliceCount": 1}
    return {
        "metadata": {"name": "s", "resourceVersion": "1"},
        "spec": {"driver": "d.io", "nodeName": "n", "pool": pool, **spec},
    }


def device(**fields):
    return slices(devices=[{"name": "dev", **fields}])


DEV = "spec.devices[0]"
TAINTS = [{"key": "k", "effect": "NoSchedule"}]
ONE_NODE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"


def policy(**fields):
    capacity = {"d.io/mem": {"value": "10Gi", "requestPolicy": fields}}
    return device(allowMultipleAllocations=True, capacity=capacity)


MEM = f"{DEV}.capacity[d.io/mem].requestPolicy"


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(device(), [], id="fine"),
        pytest.param(
            slices(pool={"name": "A", "generation": -1}, driver=""),
            [
                "spec.driver: Required value",
                'spec.pool.name: Invalid value: "A": a lowercase RFC 1123 subdomain',
                "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero",
                "spec.pool.generation: Invalid value: -1: must be greater than or equal to zero",
            ],
            id="pool",
        ),
        pytest.param(
            slices(nodeName=None, allNodes=False),
            [
                "spec.allNodes: Invalid value: false: must be either unset or set to true",
                f"spec: Required value: {ONE_NODE}",
            ],
            id="no-node",
        ),
        pytest.param(
            slices(allNodes=True),
            [
                f'spec: Invalid value: "{{`nodeName`, `allNodes`}}": {ONE_NODE}, but multiple fields are set'
            ],
            id="two-ways",
        ),
        pytest.param(
            slices(nodeName=None, nodeSelector={"nodeSelectorTerms": [{}, {}]}),
            [
                "spec.nodeSelector.nodeSelectorTerms: Invalid value: [{},{}]: must have exactly one node "
                "selector term"
            ],
            id="two-terms",
        ),
        pytest.param(
            slices(devices=[], sharedCounters=[{"name": "c", "counters": {"x": {"value": "1"}}}]),
            ['spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed'],
            id="counters-and-devices",
        ),
        pytest.param(
            slices(sharedCounters=[{}]),
            [
                "spec.sharedCounters[0].name: Required value",
                "spec.sharedCounters[0].counters: Required value",
            ],
            id="counters",
        ),
        pytest.param(
            slices(devices=[{"name": f"d{n}", "taints": TAINTS} for n in range(65)]),
            ["spec.devices: Too many: 65: must have at most 64 items"],
            id="many-tainted",
        ),
        pytest.param(
            device(taints=[{"key": "", "effect": "Evict"}]),
            [
                f'{DEV}.taints[0].key: Invalid value: "": name part must be non-empty',
                f'{DEV}.taints[0].key: Invalid value: "": name part must consist of',
                f'{DEV}.taints[0].effect: Unsupported value: "Evict": supported values: "NoExecute", '
                '"NoSchedule", "None"',
            ],
            id="taint",
        ),
        pytest.param(
            device(
                attributes={"a": {"version": "1.0"}, "b": {}, "c": {"int": 1, "bool": True}, "/d": {"int": 1}}
            ),
            [
                f'{DEV}.attributes[a].version: Invalid value: "1.0": must be a string compatible with '
                "semver.org spec 2.0.0",
                f'{DEV}.attributes[b]: Invalid value: "": exactly one value must be specified',
                f'{DEV}.attributes[c]: Invalid value: {{"int":1,"bool":true}}: exactly one value must be '
                "specified",
                f'{DEV}.attributes: Invalid value: "": the domain must not be empty',
            ],
            id="attributes",
        ),
        pytest.param(
            device(attributes={f"a{n}": {"int": n} for n in range(33)}),
            [f"{DEV}: Invalid value: 33: the total number of attributes and capacities must not exceed 32"],
            id="many-attributes",
        ),
        pytest.param(
            device(nodeName="n"),
            [
                f"{DEV}: Invalid value: \"null\": `nodeName`, `nodeSelector` and `allNodes` can only be set "
                "if `perDeviceNodeSelection` is set to true in the ResourceSlice spec"
            ],
            id="node-of-a-device",
        ),
        pytest.param(
            device(bindingConditions=["a", "a"], bindingFailureConditions=["a"]),
            [
                f'{DEV}.bindingConditions[1]: Duplicate value: "a"',
                f'{DEV}.bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not '
                "overlap with bindingConditions",
            ],
            id="bindings",
        ),
        pytest.param(
            device(bindingConditions=["a"]),
            [
                f"{DEV}.bindingFailureConditions: Invalid value: \"null\": bindingFailureConditions are "
                "required to use bindingConditions"
            ],
            id="binding-without-failure",
        ),
        pytest.param(
            device(
                consumesCounters=[
                    {"counterSet": "s"},
                    {"counterSet": "s", "counters": {"c": {"value": "1"}}},
                ]
            ),
            [
                f"{DEV}.consumesCounters[0].counters: Required value",
                f'{DEV}.consumesCounters[1]: Duplicate value: "s"',
            ],
            id="consumption",
        ),
        pytest.param(
            device(capacity={"d.io/mem": {"value": "1", "requestPolicy": {}}}),
            [f"{MEM}: Forbidden: allowMultipleAllocations must be true"],
            id="policy-of-one",
        ),
        pytest.param(
            policy(validValues=["2Gi", "1Gi", "11Gi"], default="3Gi"),
            [
                f'{MEM}.validValues[1]: Invalid value: "1Gi": values must be sorted in ascending order',
                f'{MEM}.validValues[2]: Invalid value: "11Gi": option is larger than capacity value: 10Gi',
                f'{MEM}.validValues: Invalid value: "3Gi": default value is not valid according to the '
                "requestPolicy",
            ],
            id="values",
        ),
        pytest.param(
            policy(validRange={"min": "1Gi", "max": "12Gi", "step": "2Gi"}, default="2Gi"),
            [
                f'{MEM}.validRange.max: Invalid value: "12Gi": max is larger than capacity value: 10Gi',
                f'{MEM}.validRange.step: Invalid value: "2Gi": value is not a multiple of a given step (2Gi) '
                "from (1Gi)",
                f'{MEM}.validRange.step: Invalid value: "12Gi": value is not a multiple of a given step '
                "(2Gi) from (1Gi)",
            ],
            id="range",
        ),
        pytest.param(
            policy(validRange={}), [f"{MEM}.default: Required value: required when validRange is defined"],
            id="no-default",
        ),
        pytest.param(
            policy(validRange={}, validValues=["1"]),
            [
                f'{MEM}: Forbidden: exactly one policy can be specified, cannot specify "validValues" and '
                '"validRange" at the same time'
            ],
            id="values-and-range",
        ),
    ],
)  # fmt: skip
def test_slices(obj, expected):
    spec = {name: value for name, value in obj["spec"].items() if value is not None}
    found = texts(resourceslice.validate({**obj, "spec": spec}))
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


def test_devices_say_where_they_are_if_the_slice_leaves_it_to_them():
    spec = slices(perDeviceNodeSelection=True)["spec"] | {"devices": [{"name": "dev"}]}
    del spec["nodeName"]
    [fault] = texts(resourceslice.validate({"metadata": {"name": "s"}, "spec": spec}))
    assert fault.startswith(
        f"{DEV}: Required value: exactly one of `nodeName`, `nodeSelector`, or `allNodes`"
    )


def test_driver_pool_and_node_of_a_slice_stay():
    old, new = slices(), slices(driver="e.io", nodeName="m", pool={"name": "q", "resourceSliceCount": 1})
    assert [text.partition(":")[0] for text in texts(resourceslice.validate_update(new, old))] == [
        "spec.pool.name", "spec.driver", "spec.nodeName",
    ]  # fmt: skip


def test_long_keys_are_shown_cut():
    assert shortened("x" * 20, 10) == "x" * 7 + "..." + "x" * 6
    assert shortened("short", 10) == "short"
