"""Admission policies that several tests make."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from tests.integration.apiserver.conftest import API

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MAPS = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE", "UPDATE"],
    "resources": ["configmaps"],
}
CONFIGMAPS = "/api/v1/namespaces/ns/configmaps"
# Installs a policy with its binding: policy, actions, members of the binding's spec.
Install: TypeAlias = Callable[..., Awaitable[None]]


def validating(name: str, *validations: dict, **spec: Any) -> dict:
    rules = {"resourceRules": [spec.pop("rule", MAPS)], **spec.pop("match", {})}
    return {
        "metadata": {"name": name},
        "spec": {"matchConstraints": rules, "validations": [*validations], **spec},
    }


def mutating(name: str, expression: str, **spec: Any) -> dict:
    rules = {"resourceRules": [spec.pop("rule", MAPS)], **spec.pop("match", {})}
    kind = spec.pop("patch", "ApplyConfiguration")
    member = "jsonPatch" if kind == "JSONPatch" else "applyConfiguration"
    mutations = [{"patchType": kind, member: {"expression": expression}}]
    made = {"matchConstraints": rules, "mutations": mutations, "reinvocationPolicy": "Never", **spec}
    return {"metadata": {"name": name}, "spec": made}


def configmap(name: str, labels: dict | None = None, **data: str) -> dict:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


async def installer(api: API) -> Install:
    """Make the namespace `ns`; return what installs a policy of a kind with one binding."""
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "ns", "labels": {"team": "a"}}})

    async def install(policy: dict, actions: tuple[str, ...] = ("Deny",), **binding: Any) -> None:
        name = policy["metadata"]["name"]
        kind = "mutating" if "mutations" in policy["spec"] else "validating"
        spec = {"policyName": name, **binding}
        if kind == "validating":
            spec["validationActions"] = [*actions]
        await api.ok("POST", f"{ADMISSION}/{kind}admissionpolicies", policy)
        body = {"metadata": {"name": f"{name}-b"}, "spec": spec}
        await api.ok("POST", f"{ADMISSION}/{kind}admissionpolicybindings", body)

    return install
