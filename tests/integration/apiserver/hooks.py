"""An HTTPS server with the webhooks that upstream's test image has, on an address of this machine."""

import asyncio
import base64
import socket
import ssl
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

FOREVER_S = 3600.0
SERVICE, NAMESPACE = "e2e-test-webhook", "default"
NAMES = ["127.0.0.1", f"{SERVICE}.{NAMESPACE}.svc"]


def own_address() -> str:
    """Return an address of this machine other than loopback, "" if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        found = str(probe.getsockname()[0])
    return "" if found.startswith("127.") else found


class Hook:
    """`reviews` holds what was asked, as (path with query, AdmissionReview); `answers` replaces a path's
    answer by a function of the review's request (or by bytes)."""

    def __init__(self, port: int, ca: bytes, runner: web.AppRunner) -> None:
        self.port = port
        self.ca = base64.b64encode(ca).decode()
        self.runner = runner
        self.reviews: list[tuple[str, Any]] = []
        self.answers: dict[str, Callable[[Any], Any] | bytes] = dict(ANSWERS)
        self.delays: dict[str, float] = {"/always-allow-delay-5s": 5.0}

    def url(self, path: str) -> dict[str, Any]:
        """Return the clientConfig that leads here by URL."""
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.ca}

    def service(self, path: str, port: int = 8443) -> dict[str, Any]:
        """Return the clientConfig that leads here through the Service; by URL where there is no address."""
        if not own_address():
            return self.url(path)
        service = {"name": SERVICE, "namespace": NAMESPACE, "path": path, "port": port}
        return {"service": service, "caBundle": self.ca}

    def asked(self, path: str) -> list[Any]:
        """Return the requests that came to a path."""
        return [review["request"] for url, review in self.reviews if url.partition("?")[0] == path]

    async def publish(self, api: Any) -> None:
        """Make the Service and an EndpointSlice that leads here."""
        base = f"/namespaces/{NAMESPACE}"
        meta = {"name": SERVICE, "labels": {"kubernetes.io/service-name": SERVICE}}
        ports = [{"name": "https", "port": 8443, "targetPort": 8444, "protocol": "TCP"}]
        service = {"metadata": {"name": SERVICE}, "spec": {"ports": ports}}
        await api.ok("POST", f"/api/v1{base}/services", service)
        if not own_address():
            return
        endpoint = {"addresses": [own_address()], "conditions": {"ready": True}}
        made = {
            "metadata": meta,
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": self.port, "protocol": "TCP"}],
            "endpoints": [endpoint],
        }
        await api.ok("POST", f"/apis/discovery.k8s.io/v1{base}/endpointslices", made)

    async def handle(self, request: web.Request) -> web.Response:
        review = orjson.loads(await request.read())
        self.reviews.append((request.path_qs, review))
        await asyncio.sleep(FOREVER_S if _hangs(review) else self.delays.get(request.path, 0.0))
        answer = self.answers[request.path]
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="application/json")
        response = answer(review["request"])
        if isinstance(response, web.Response):
            return response
        response = {"uid": review["request"]["uid"], **response}
        made = {"kind": "AdmissionReview", "apiVersion": review["apiVersion"], "response": response}
        return web.Response(body=orjson.dumps(made), content_type="application/json")


async def start(ca: bytes, context: ssl.SSLContext) -> Hook:
    """Return a hook that listens on every address of this machine."""
    app = web.Application(client_max_size=64 << 20)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    hook = Hook(0, ca, runner)
    app.router.add_route("*", "/{path:.*}", hook.handle)
    await runner.setup()
    site = web.TCPSite(runner, "0.0.0.0", 0, ssl_context=context)
    await site.start()
    hook.port = runner.addresses[0][1]
    return hook


def _hangs(review: Any) -> bool:
    labels = ((review["request"].get("object") or {}).get("metadata") or {}).get("labels") or {}
    return bool(labels.get("webhook-e2e-test") == "wait-forever")


def patch(*operations: Any) -> dict[str, Any]:
    """Return an answer that allows, with a JSON patch."""
    text = base64.b64encode(orjson.dumps(list(operations))).decode()
    return {"allowed": True, "patch": text, "patchType": "JSONPatch"}


def deny(message: str) -> dict[str, Any]:
    return {"allowed": False, "status": {"message": message}}


ALLOW = {"allowed": True}


def _pods(request: Any) -> Any:
    pod, why = request["object"], []
    if any("webhook-disallow" in item["name"] for item in pod["spec"]["containers"]):
        why.append("the pod contains unwanted container name")
    if (pod["metadata"].get("labels") or {}).get("webhook-e2e-test") == "webhook-disallow":
        why.append("the pod contains unwanted label")
    return deny("; ".join(why)) if why else ALLOW


def _attach(request: Any) -> Any:
    if request["name"] == "to-be-attached-pod":
        return deny("attaching to pod 'to-be-attached-pod' is not allowed")
    return ALLOW


def _mutate_pod(request: Any) -> Any:
    container = {"image": "webhook-added-image", "name": "webhook-added-init-container", "resources": {}}
    return patch({"op": "add", "path": "/spec/initContainers", "value": [container]})


def _configmap(request: Any) -> Any:
    data = (request["object"] or {}).get("data") or {}
    unwanted = data.get("webhook-e2e-test") == "webhook-disallow"
    return deny("the configmap contains unwanted key and value") if unwanted else ALLOW


def _mutate_data(request: Any) -> Any:
    data = request["object"].get("data") or {}
    for wanted, made in (("mutation-start", "mutation-stage-1"), ("mutation-stage-1", "mutation-stage-2")):
        if data.get(wanted) == "yes" and made not in data:
            return patch({"op": "add", "path": f"/data/{made}", "value": "yes"})
    return ALLOW


def _custom(request: Any) -> Any:
    deleting = request["operation"] == "DELETE"
    obj = request["oldObject" if deleting else "object"]
    said = (obj.get("data") or {}).get("webhook-e2e-test")
    if deleting and said == "webhook-nodelete":
        return deny("the custom resource cannot be deleted because it contains unwanted key and value")
    if said == "webhook-disallow":
        return deny("the custom resource contains unwanted data")
    return ALLOW


def _crd(request: Any) -> Any:
    labels = request["object"]["metadata"].get("labels") or {}
    return deny("the crd contains unwanted label") if labels.get("webhook-e2e-test") else ALLOW


def _label(request: Any) -> Any:
    if (request["object"]["metadata"].get("labels") or {}).get("added-label"):
        return ALLOW
    if not request["object"]["metadata"].get("labels"):
        return patch({"op": "add", "path": "/metadata/labels", "value": {"added-label": "yes"}})
    return patch({"op": "add", "path": "/metadata/labels/added-label", "value": "yes"})


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "/always-allow": lambda request: ALLOW,
    "/always-allow-delay-5s": lambda request: ALLOW,
    "/always-deny": lambda request: deny("this webhook denies all requests"),
    "/add-label": _label,
    "/pods": _pods,
    "/pods/attach": _attach,
    "/mutating-pods": _mutate_pod,
    "/configmaps": _configmap,
    "/mutating-configmaps": _mutate_data,
    "/custom-resource": _custom,
    "/mutating-custom-resource": _mutate_data,
    "/crd": _crd,
}


ADMISSION = "/apis/admissionregistration.k8s.io/v1"
MUTATING, VALIDATING = "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"
CMS = "/api/v1/namespaces/default/configmaps"


def rule(*resources, operations=("CREATE",), groups=("",), versions=("v1",), **extra):
    return {
        "operations": list(operations), "apiGroups": list(groups), "apiVersions": list(versions),
        "resources": list(resources), **extra,
    }  # fmt: skip


def webhook(client, *rules, name="a.example.com", **extra):
    return {
        "name": name, "clientConfig": client, "rules": list(rules or (rule("configmaps"),)),
        "sideEffects": "None", "admissionReviewVersions": ["v1"], **extra,
    }  # fmt: skip


async def register(api, kind, *webhooks, name="w"):
    body = {"metadata": {"name": name}, "webhooks": list(webhooks)}
    return await api.ok("POST", f"{ADMISSION}/{kind.lower()}s", body)


async def configmap(api, name="c", ns="default", labels=None, **data):
    body = {"metadata": {"name": name, "labels": labels or {}}, "data": data}
    return await api.ask("POST", f"/api/v1/namespaces/{ns}/configmaps", body)
