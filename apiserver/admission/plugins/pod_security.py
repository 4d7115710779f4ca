"""Pods keep to the Pod Security Standard that the labels of their namespace ask for.

    pods            violations of `enforce` are refused, of `audit` noted in the audit log, of `warn` told
    pod templates   as pods, but nothing is refused: their pods will be
    namespaces      the labels must be right; when `enforce` becomes stricter, pods that violate it are told

Source: k8s.io/pod-security-admission/admission, plugin/pkg/admission/security/podsecurity (1.36).
"""

from typing import Any

from api import errors
from api.errors import InternalError, NotFound
from api.field import FieldError
from api.podsecurity.configuration import Settings, settings_of
from api.podsecurity.evaluate import details, violations
from api.podsecurity.existing import Findings, is_significant, prioritized
from api.podsecurity.level import MODES, PREFIX, PRIVILEGED, Policy, Standard, policy_of
from api.resource import Obj
from api.types.core_v1 import NAMESPACES, PODS
from apiserver.admission import pod_security_metrics as metrics
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse
from apiserver.registry import Registry
from kit import clock

# Subresources of pods that cannot make a pod less secure. Others, known or not, are judged.
_IGNORED = frozenset(("exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"))
# Where the pod template of a kind is.
_TEMPLATE, _JOB_TEMPLATE = ("spec", "template"), ("spec", "jobTemplate", "spec", "template")
_TEMPLATES = {
    ("", "podtemplates"): ("template",),
    ("", "replicationcontrollers"): _TEMPLATE,
    ("apps", "daemonsets"): _TEMPLATE,
    ("apps", "deployments"): _TEMPLATE,
    ("apps", "replicasets"): _TEMPLATE,
    ("apps", "statefulsets"): _TEMPLATE,
    ("batch", "cronjobs"): _JOB_TEMPLATE,
    ("batch", "jobs"): _TEMPLATE,
}
# Of the pods of a namespace no more are looked at when its level is raised, and no longer.
MOST_PODS, LONGEST_S = 3000, 1.0
# After so many pods other requests have their turn.
_SLICE = 50


class PodSecurity:
    name = "PodSecurity"

    def __init__(self, registry: Registry, configuration: Obj | None = None) -> None:
        self._registry = registry
        self._settings: Settings = settings_of(configuration or {})

    def handles(self, request: AdmissionRequest) -> bool:
        if request.operation not in ("CREATE", "UPDATE"):
            return False
        if request.resource is PODS:
            return request.subresource not in _IGNORED
        place = (request.resource.group, request.resource.plural)
        return not request.subresource and (request.resource is NAMESPACES or place in _TEMPLATES)

    async def validate(self, request: AdmissionRequest) -> None:
        if request.resource is NAMESPACES:
            await self._validate_namespace(request)
        elif not self._is_exempt(request):
            await self._validate_pod(request)

    def _is_exempt(self, request: AdmissionRequest) -> bool:
        if request.namespace in self._settings.namespaces:
            _note(request, "exempt", "namespace")
        elif request.user.name in self._settings.usernames:
            _note(request, "exempt", "user")
        else:
            return False
        metrics.exempted(request)
        return True

    async def _validate_pod(self, request: AdmissionRequest) -> None:
        policy, faults = policy_of(await self._labels(request), self._settings.defaults)
        enforced = request.resource is PODS
        if not faults and policy.is_privileged:
            if enforced:
                _note(request, "enforce-policy", str(Standard()))
                metrics.evaluated(request, policy.enforce, "enforce", allowed=True)
            return
        pod = pod_of(request.resource, request.object or {})
        if pod is None or (enforced and request.old and not is_significant(pod, request.old)):
            return
        if (pod.get("spec") or {}).get("runtimeClassName") in self._settings.runtime_classes:
            _note(request, "exempt", "runtimeClass")
            metrics.exempted(request)
            return
        if faults:
            metrics.failed(request, fatal=False)
            _note(request, "error", f"Failed to parse policy: {_joined(faults)}")
        judge(request, policy, pod, enforced)

    async def _labels(self, request: AdmissionRequest) -> dict[str, str]:
        namespace = request.namespace
        found = self._registry.cached(NAMESPACES, "", namespace)
        if found is None:
            try:
                found = await self._registry.get(NAMESPACES, "", namespace)
            except NotFound as error:
                metrics.failed(request, fatal=True)
                raise InternalError(f'failed to lookup namespace "{namespace}"') from error
        return found["metadata"].get("labels") or {}

    async def _validate_namespace(self, request: AdmissionRequest) -> None:
        new, faults = policy_of(_labels_of(request.object), self._settings.defaults)
        old, old_faults = policy_of(_labels_of(request.old), self._settings.defaults)
        if faults and (request.old is None or faults != old_faults):
            raise errors.invalid("", "Namespace", request.name, faults)
        exempt = request.name in self._settings.namespaces
        if request.old is None:
            if exempt:
                self._warn_exempt(request, new)
        elif _is_raised(new.enforce, old.enforce):
            if exempt:
                self._warn_exempt(request, new)
            else:
                await self._warn_of_existing(request, new.enforce)

    def _warn_exempt(self, request: AdmissionRequest, policy: Policy) -> None:
        if policy.is_privileged or policy == self._settings.defaults:
            return
        labels = _labels_of(request.object)
        asked = [
            f"{mode}={standard}"
            for mode, standard in zip(MODES, (policy.enforce, policy.audit, policy.warn), strict=True)
            if standard.level != PRIVILEGED
            and (f"{PREFIX}{mode}" in labels or f"{PREFIX}{mode}-version" in labels)
        ]
        text = f"is exempt from Pod Security, and the policy ({', '.join(asked)}) will be ignored"
        _warn(request, f'namespace "{request.name}" {text}')

    async def _warn_of_existing(self, request: AdmissionRequest, standard: Standard) -> None:
        until = clock.monotonic() + LONGEST_S
        pods = prioritized(await self._pods(request.name), self._settings.runtime_classes)
        findings, checked = Findings(), 0
        for pod in pods[:MOST_PODS]:
            findings.add(pod, violations(standard, pod))
            checked += 1
            if checked % _SLICE == 0:
                await clock.sleep(0)
                if clock.monotonic() > until:
                    break
        for text in findings.warnings(request.name, standard, checked, len(pods)):
            _warn(request, text)

    async def _pods(self, namespace: str) -> list[Obj]:
        pods: list[Obj] = []
        for pod in self._registry.cached_list(PODS, namespace):
            pods.append(pod)
            if len(pods) % _SLICE == 0:
                await clock.sleep(0)
        return pods


def judge(request: AdmissionRequest, policy: Policy, pod: Obj, enforced: bool) -> None:
    """Refuse, note and warn as the policy says. Raises `Forbidden`."""
    known = {}
    if enforced:
        _note(request, "enforce-policy", str(policy.enforce))
        known[policy.enforce] = violations(policy.enforce, pod)
        metrics.evaluated(request, policy.enforce, "enforce", allowed=not known[policy.enforce])
    if policy.audit not in known:
        known[policy.audit] = violations(policy.audit, pod)
    if found := known[policy.audit]:
        _note(request, "audit-violations", f'would violate PodSecurity "{policy.audit}": {details(found)}')
        metrics.evaluated(request, policy.audit, "audit", allowed=False)
    if enforced and (found := known[policy.enforce]):
        raise refuse(request, f'violates PodSecurity "{policy.enforce}": {details(found)}')
    if found := known[policy.warn] if policy.warn in known else violations(policy.warn, pod):
        _warn(request, f'would violate PodSecurity "{policy.warn}": {details(found)}')
        metrics.evaluated(request, policy.warn, "warn", allowed=False)


def pod_of(resource: Any, obj: Obj) -> Obj | None:
    """Return the pod, or the template of pods, that an object is or holds; None if it has none."""
    if resource is PODS:
        return obj
    found: Any = obj
    for part in _TEMPLATES[resource.group, resource.plural]:
        found = (found or {}).get(part)
    return found if isinstance(found, dict) else None


def _is_raised(new: Standard, old: Standard) -> bool:
    if new == old or new.level == PRIVILEGED:
        return False
    return new.minor != old.minor or new.is_stricter(old)


def _labels_of(obj: Obj | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}


def _joined(faults: list[FieldError]) -> str:
    texts = [str(fault) for fault in faults]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _note(request: AdmissionRequest, key: str, text: str) -> None:
    if request.request is not None:
        request.request.audit[f"{PREFIX}{key}"] = text


def _warn(request: AdmissionRequest, text: str) -> None:
    if request.request is not None:
        request.request.warn(text)
