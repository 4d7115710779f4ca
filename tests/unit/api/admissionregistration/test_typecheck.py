"""What type checking says of policies."""

from typing import Any

from api.admissionregistration.typecheck import Kind, named_resources, warnings
from api.cel.schema_types import type_of_definition
from api.cel.types import STRING, ObjectType, map_of

DEPLOYMENT = Kind("apps", "v1", "Deployment", type_of_definition("io.k8s.api.apps.v1.Deployment"))
POD = Kind("", "v1", "Pod", type_of_definition("io.k8s.api.core.v1.Pod"))
PARAMS = ObjectType("ConfigMap", {"data": map_of(STRING, STRING)})


def policy(*expressions: str, **spec: Any) -> dict:
    return {"spec": {"validations": [{"expression": text} for text in expressions], **spec}}


def test_each_expression_is_told_of() -> None:
    found = list(warnings(policy("object.spec.replicas > 1", "object.spec.nothing == 1"), [DEPLOYMENT], None))
    assert found[0] is None
    assert found[1] is not None
    assert found[1]["fieldRef"] == "spec.validations[1].expression"
    assert found[1]["warning"].splitlines()[0] == (
        "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'nothing'"
    )


def test_kinds_are_told_of_in_order() -> None:
    (found,) = warnings(policy("object.spec.nothing == 1"), [DEPLOYMENT, POD], None)
    assert found is not None
    heads = [line for line in found["warning"].splitlines() if "Kind=" in line]
    assert [line.partition(": ")[0] for line in heads] == ["/v1, Kind=Pod", "apps/v1, Kind=Deployment"]


def test_parameters_have_types_if_their_kind_is_known() -> None:
    asking = policy("params.data.x == 1", paramKind={"apiVersion": "v1", "kind": "ConfigMap"})
    (typed,) = warnings(asking, [POD], PARAMS)
    assert typed is not None
    assert "found no matching overload for '_==_' applied to '(string, int)'" in typed["warning"]
    (untyped,) = warnings(asking, [POD], None)
    assert untyped is not None
    assert "undeclared reference to 'params'" in untyped["warning"]


def test_resources_with_wildcards_are_left_out() -> None:
    def rule(groups: list[str], versions: list[str], resources: list[str]) -> dict:
        return {"apiGroups": groups, "apiVersions": versions, "resources": resources}

    rules = [
        rule(["apps", ""], ["v1"], ["pods/status", "pods", "*"]),
        rule(["*"], ["v1"], ["pods"]),
        rule([""], ["v*"], ["pods"]),
    ]
    found = named_resources({"spec": {"matchConstraints": {"resourceRules": rules}}})
    assert found == [("", "v1", "pods"), ("apps", "v1", "pods")]
