"""The Python clients that people use, doing the same work: official, kr8s and lightkube."""

import asyncio
import urllib.request
from typing import Any

import kr8s
import kubernetes
import lightkube
import pytest
from kr8s.asyncio.objects import Deployment as Kr8sDeployment
from kr8s.asyncio.objects import Pod as Kr8sPod
from kubernetes.stream import portforward, stream
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.autoscaling_v1 import ScaleSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Pod
from lightkube.types import PatchType

from tests.e2e.harness import BUSYBOX, eventually
from tests.e2e.space import WEB, conditions, deployment

# Old habits of the clients, not ours: unclosed sockets at exit, deprecated calls.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("collected")]


def _web():
    made = deployment("web", 1)
    made["spec"]["template"]["spec"]["containers"][0]["command"][2] = f"echo serving; {WEB}"
    return made


def _ready_pods(space):
    pods = [p for p in space.items("pods") if "deletionTimestamp" not in p["metadata"]]
    return [p["metadata"]["name"] for p in pods if conditions(p).get("Ready") == "True"]


def test_the_official_client(space):
    api = kubernetes.config.new_client_from_config(str(space.cluster.kubeconfig))
    # Typed, every field of their objects may be missing.
    apps: Any = kubernetes.client.AppsV1Api(api)
    core: Any = kubernetes.client.CoreV1Api(api)
    apps.create_namespaced_deployment(space.name, _web())
    watch = kubernetes.watch.Watch()
    for event in watch.stream(apps.list_namespaced_deployment, space.name, timeout_seconds=60):
        if event["object"].status.ready_replicas == 1:
            watch.stop()
    assert apps.read_namespaced_deployment_status("web", space.name).status.ready_replicas == 1
    apps.patch_namespaced_deployment_scale("web", space.name, {"spec": {"replicas": 2}})
    assert apps.read_namespaced_deployment_scale("web", space.name).spec.replicas == 2
    names = eventually(lambda: len(found := _ready_pods(space)) == 2 and found, "two pods are ready")
    apps.patch_namespaced_deployment("web", space.name, {"metadata": {"labels": {"tier": "front"}}})
    (listed,) = apps.list_namespaced_deployment(space.name, label_selector="tier=front").items
    assert listed.metadata.name == "web"
    assert core.read_namespaced_pod_log(names[0], space.name) == "serving\n"
    said = stream(
        core.connect_get_namespaced_pod_exec,
        names[0],
        space.name,
        command=["sh", "-c", "echo out; echo err >&2"],
        stdout=True,
        stderr=True,
        stdin=False,
        tty=False,
    )
    assert sorted(said.split()) == ["err", "out"]
    forward = portforward(core.connect_get_namespaced_pod_portforward, names[0], space.name, ports="8080")
    connection = forward.socket(8080)
    connection.setblocking(True)
    connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answer = b"".join(iter(lambda: connection.recv(4096), b""))
    connection.close()
    assert answer.rstrip().endswith(names[0].encode())
    with pytest.raises(kubernetes.client.ApiException) as caught:
        core.read_namespaced_pod("nope", space.name)
    assert caught.value.status == 404
    apps.delete_namespaced_deployment("web", space.name)
    eventually(lambda: not space.items("pods"), "the pods are gone")
    api.close()


def test_the_official_dynamic_client(space):
    api = kubernetes.config.new_client_from_config(str(space.cluster.kubeconfig))
    dynamic = kubernetes.dynamic.DynamicClient(api, cache_file=str(space.cluster.dir / "dynamic-cache"))
    resource = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "1"}}
    applied = dynamic.server_side_apply(resource, body, namespace=space.name, field_manager="tests")
    assert applied.data.a == "1"
    assert applied.metadata.managedFields[0].operation == "Apply"
    api.close()


async def test_kr8s(space):
    api = await kr8s.asyncio.api(kubeconfig=str(space.cluster.kubeconfig), namespace=space.name)
    web = await Kr8sDeployment(_web(), namespace=space.name, api=api)
    await web.create()
    await asyncio.wait_for(web.wait("condition=Available"), 60)
    await web.scale(2)
    await asyncio.wait_for(web.wait("jsonpath='{.status.readyReplicas}'=2"), 60)
    await web.patch({"metadata": {"annotations": {"note": "patched"}}})
    await web.refresh()
    assert web.annotations["note"] == "patched"
    pods: list[Any] = [one async for one in api.get("pods", namespace=space.name, label_selector="app=web")]
    assert len(pods) == 2
    pod = await Kr8sPod.get(pods[0].name, namespace=space.name, api=api)
    assert await pod.ready()
    assert [line async for line in pod.logs()] == ["serving"]
    done = await pod.exec(["sh", "-c", "echo out; exit 0"])
    assert done.stdout == b"out\n"
    async with pod.portforward(remote_port=8080, local_port="auto") as port:
        url = f"http://127.0.0.1:{port}/"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=10).read().decode())
    assert text.strip() == pod.name

    async def first_change():
        async for kind, seen in api.watch("deployments", namespace=space.name):
            if seen.labels.get("tier") == "front":
                return kind
        return None

    watching = asyncio.ensure_future(first_change())
    await web.label(tier="front")
    assert await asyncio.wait_for(watching, 30) in ("ADDED", "MODIFIED")
    await web.delete()
    await asyncio.wait_for(web.wait("delete"), 30)
    with pytest.raises(kr8s.NotFoundError):
        await Kr8sPod.get("nope", namespace=space.name, api=api, timeout=1)
    assert api._session is not None
    await api._session.aclose()


def _lightkube_web():
    main = Container(name="main", image=BUSYBOX, command=["sh", "-c", f"echo serving; {WEB}"])
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels={"app": "web"}),
        spec=PodSpec(containers=[main], terminationGracePeriodSeconds=1),
    )
    spec = DeploymentSpec(replicas=1, selector=LabelSelector(matchLabels={"app": "web"}), template=template)
    return Deployment(apiVersion="apps/v1", kind="Deployment", metadata=ObjectMeta(name="web"), spec=spec)


def test_lightkube(space):
    config = lightkube.KubeConfig.from_file(str(space.cluster.kubeconfig))
    client: Any = lightkube.Client(config=config, namespace=space.name, field_manager="tests")
    client.apply(_lightkube_web())
    client.wait(Deployment, "web", for_conditions=["Available"])
    scale = Deployment.Scale(metadata=ObjectMeta(name="web"), spec=ScaleSpec(replicas=2))
    client.replace(scale, "web")
    eventually(lambda: len(_ready_pods(space)) == 2, "two pods are ready")
    client.patch(Deployment, "web", {"metadata": {"labels": {"tier": "front"}}}, patch_type=PatchType.MERGE)
    assert [d.metadata.name for d in client.list(Deployment, labels={"tier": "front"})] == ["web"]
    pod = next(iter(client.list(Pod, labels={"app": "web"})))
    assert list(client.log(pod.metadata.name)) == ["serving\n"]
    client.create(ConfigMap(metadata=ObjectMeta(name="one"), data={"a": "1"}))
    for kind, seen in client.watch(ConfigMap, server_timeout=30):
        if seen.metadata.name == "one":
            assert kind == "ADDED"
            break
    with pytest.raises(lightkube.ApiError) as caught:
        client.get(Pod, "nope")
    assert caught.value.status.reason == "NotFound"
    client.delete(Deployment, "web")
    eventually(lambda: not space.items("pods"), "the pods are gone")
