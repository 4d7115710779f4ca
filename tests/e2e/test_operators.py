"""Operators written with kopf, and other clients, on custom resources; a control plane alone is enough.

The operators are kopf's own examples, each doing its job.
"""

import asyncio
import json
import subprocess
from functools import partial
from typing import Any

import kr8s
import kubernetes
import lightkube
import pytest
from kr8s.asyncio.objects import new_class
from lightkube.generic_resource import create_namespaced_resource

from kit import tls
from tests.e2e.harness import PELAMIS, eventually, make_cluster
from tests.e2e.operators import fetch_examples, operating

# Old habits of the clients, not ours: unclosed sockets at exit, deprecated calls.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.usefixtures("collected")]

KEX = "/apis/kopf.dev/v1/namespaces/{}/kopfexamples"


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """A control plane without nodes."""
    folder = tmp_path_factory.mktemp("control")
    try:
        yield make_cluster(folder, "--nodes=0", "--port=26543", "--store=memory")
    finally:
        subprocess.run([*PELAMIS, "down", "--purge", "--dir", str(folder)], check=False, timeout=120)


@pytest.fixture(scope="module")
def examples(control, tmp_path_factory):
    """The folder of the examples; their definition is there already."""
    folder = fetch_examples(tmp_path_factory.mktemp("kopf"))
    control.kubectl("apply", "-f", str(folder / "crd.yaml"))
    control.kubectl("wait", "--for=condition=Established", "crd/kopfexamples.kopf.dev", "--timeout=20s")
    return folder


@pytest.fixture
def ns(control, request):
    with control.namespace(request.node.name.removeprefix("test_").replace("_", "-")) as name:
        yield name


def example(spec=None, name="kopf-example-1", **metadata):
    meta = {"name": name, "labels": {"somelabel": "somevalue"}, **metadata}
    body = {"duration": "1m", "field": "value", **(spec or {})}
    return {"apiVersion": "kopf.dev/v1", "kind": "KopfExample", "metadata": meta, "spec": body}


def test_handlers(control, examples, ns, tmp_path):
    way = KEX.format(ns)
    with operating(control, ns, tmp_path, examples / "05-handlers" / "example.py") as operator:
        control.apply((examples / "obj.yaml").read_text(), f"--namespace={ns}")
        operator.says("CREATED 2nd")
        operator.says("FIELD CHANGED: None -> value")
        finalizers = control.call("GET", f"{way}/kopf-example-1")["metadata"]["finalizers"]
        assert finalizers == ["kopf.zalando.org/KopfFinalizerMarker"]
        control.kubectl(
            "patch", "kex", "kopf-example-1", f"-n={ns}", "--type=merge", "-p", '{"spec":{"field":"other"}}'
        )
        operator.says("UPDATED")
        operator.says("FIELD CHANGED: value -> other")
        control.kubectl("delete", "kex", "kopf-example-1", f"-n={ns}", "--timeout=20s")
        operator.says("DELETED 2nd")
        assert control.request("GET", f"{way}/kopf-example-1").code == 404
    control.call("POST", way, example({"field": "late"}))
    with operating(control, ns, tmp_path, examples / "05-handlers" / "example.py") as operator:
        # What came while nobody was there is noticed at the next start.
        operator.says("CREATED 2nd")
        control.kubectl("delete", "kex", "kopf-example-1", f"-n={ns}", "--timeout=20s")


def test_results_and_errors(control, examples, ns, tmp_path):
    way = KEX.format(ns)
    files = [examples / name / "example.py" for name in ("01-minimal", "03-exceptions")]
    with operating(control, ns, tmp_path, *files) as operator:
        control.call("POST", way, example())
        operator.says("Creation is processed: 2 succeeded; 3 failed.", 60)
        assert "Fail once and for all." in operator.said
        status = control.call("GET", f"{way}/kopf-example-1")["status"]
        assert status["create_fn"] == {"message": "hello world"}
        assert "hello world" in control.kubectl("get", "kex", "kopf-example-1", f"-n={ns}", "-o=yaml")
        control.kubectl("delete", "kex", "kopf-example-1", f"-n={ns}", "--timeout=20s")


def test_daemons_and_timers(control, examples, ns, tmp_path):
    way = KEX.format(ns)
    files = [examples / name / "example.py" for name in ("14-daemons", "15-timers")]
    with operating(control, ns, tmp_path, *files) as operator:
        control.call("POST", way, example(annotations={"someannotation": "somevalue"}))
        operator.says("=> Ping from a sync daemon: field='value', retry=3", 60)
        operator.says("=> Ping from an async daemon: field='value'")
        assert control.call("GET", f"{way}/kopf-example-1")["status"]["message"] == "Failed 3 times."
        operator.says("Ping from a sync timer: field='value'", 60)
        # The finalizer holds the object until its daemons have ended.
        control.kubectl("delete", "kex", "kopf-example-1", f"-n={ns}", "--timeout=30s")


def test_indexes_of_other_objects(control, examples, ns, tmp_path):
    way, pods = KEX.format("default"), "/api/v1/namespaces/default/pods"
    with operating(control, "default", tmp_path, examples / "16-indexing" / "example.py"):
        control.call("POST", way, example())
        spec = {"containers": [{"name": "c", "image": "i"}]}
        control.call("POST", pods, {"metadata": {"name": "seen"}, "spec": spec})
        control.call(
            "PATCH", f"{pods}/seen/status", {"status": {"phase": "Running"}}, "application/merge-patch+json"
        )

        def seen():
            return (control.call("GET", f"{way}/kopf-example-1").get("status") or {}).get("running-pods")

        assert eventually(seen, "the timer has seen the pod") == ["default::seen"]
        for path in (f"{way}/kopf-example-1", f"{pods}/seen"):
            control.call("DELETE", f"{path}?gracePeriodSeconds=0")


# The example's last word on its server generates certificates with packages that are not here.
_SERVER = """
import kopf

@kopf.on.startup()
def own_server(settings, **_):
    settings.admission.server = kopf.WebhookServer(
        addr="127.0.0.1", host="127.0.0.1", certfile={cert!r}, pkeyfile={key!r}, cafile={ca!r}
    )
"""


def test_admission(control, examples, ns, tmp_path):
    way = KEX.format(ns)
    ca = tls.new_ca("operators")
    ca.save(tmp_path / "ca")
    tls.issue(ca, "operator", server_names=["127.0.0.1"], client=False).save(tmp_path / "server")
    paths = {"cert": "server.crt", "key": "server.key", "ca": "ca.crt"}
    server = tmp_path / "server.py"
    server.write_text(_SERVER.format(**{name: str(tmp_path / file) for name, file in paths.items()}))
    files = (examples / "17-admission" / "example.py", server)
    with operating(control, ns, tmp_path, *files) as operator:
        for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
            eventually(partial(control.get, kind, "auto.kopf.dev"), f"kopf's {kind}")
        made = control.request("POST", way, example())
        assert made.code == 201, made.body
        assert made.json["spec"]["injected"] == 123
        labelled = [*control.command, f"-n={ns}", "label", "kex", "kopf-example-1", "x=y"]
        done = subprocess.run(labelled, env=control.environment, capture_output=True, text=True, timeout=60)
        assert "Warning: Accessing as user-agent: kube-apiserver-admission" in done.stderr

        wrong = control.request("POST", way, example({"field": "wrong"}, "wrong"))
        assert wrong.code == 500
        assert "Meh! I don't like it. Change the field." in wrong.json["message"]
        assert control.request("POST", f"{way}?dryRun=All", example({"field": "wrong"}, "w")).code == 201
        refused = control.request("POST", way, example({"field": "not-allowed"}, "refused"))
        assert refused.code == 555
        assert "I'm too lazy anyway. Go away!" in refused.json["message"]
        status = {"status": {"field": "another"}}
        mismatch = control.request(
            "PATCH", f"{way}/kopf-example-1/status", status, "application/merge-patch+json"
        )
        assert "status.field MUST be equal to spec.field!" in mismatch.json["message"]
        assert "Traceback" not in operator.said
    control.kubectl(
        "delete", "mutatingwebhookconfigurations,validatingwebhookconfigurations", "auto.kopf.dev"
    )


def test_the_official_client(control, examples, ns):
    api: Any = kubernetes.client.CustomObjectsApi(
        kubernetes.config.new_client_from_config(str(control.kubeconfig))
    )
    where = ("kopf.dev", "v1", ns, "kopfexamples")
    made = api.create_namespaced_custom_object(*where, example())
    watch = kubernetes.watch.Watch()
    api.patch_namespaced_custom_object(*where, "kopf-example-1", {"spec": {"field": "patched"}})
    version = made["metadata"]["resourceVersion"]
    for event in watch.stream(api.list_namespaced_custom_object, *where, resource_version=version):
        assert (event["type"], event["object"]["spec"]["field"]) == ("MODIFIED", "patched")
        watch.stop()
    api.patch_namespaced_custom_object_status(*where, "kopf-example-1", {"status": {"seen": True}})
    assert api.get_namespaced_custom_object_status(*where, "kopf-example-1")["status"] == {"seen": True}
    api.delete_namespaced_custom_object(*where, "kopf-example-1")
    assert api.list_namespaced_custom_object(*where)["items"] == []


def test_lightkube(control, examples, ns):
    kex: Any = create_namespaced_resource("kopf.dev", "v1", "KopfExample", "kopfexamples")
    config = lightkube.KubeConfig.from_file(str(control.kubeconfig))
    client = lightkube.Client(config, namespace=ns, field_manager="tests")
    client.create(kex(metadata={"name": "a"}, spec={"field": "v"}))
    applied = client.apply(
        kex(apiVersion="kopf.dev/v1", kind="KopfExample", metadata={"name": "a"}, spec={"other": 1})
    )
    assert applied.spec == {"field": "v", "other": 1}
    assert [item.metadata.name for item in client.list(kex)] == ["a"]
    client.delete(kex, "a")
    assert list(client.list(kex)) == []


def test_kr8s(control, examples, ns):
    async def use() -> None:
        api = await kr8s.asyncio.api(kubeconfig=str(control.kubeconfig))
        kind: Any = new_class("KopfExample", "kopf.dev/v1", namespaced=True, asyncio=True)
        made = await kind(example(namespace=ns), api=api)
        await made.create()
        await made.patch({"spec": {"field": "patched"}})
        found = await kind.get("kopf-example-1", namespace=ns, api=api)
        assert found.spec["field"] == "patched"
        await found.delete()
        await found.wait("delete", timeout=20)
        assert api._session is not None
        await api._session.aclose()

    asyncio.run(use())


def test_kubectl(control, examples, ns):
    control.apply(json.dumps(example()), f"--namespace={ns}")
    table = control.kubectl("get", "kopfexes", f"-n={ns}").split()
    assert {"NAME", "DURATION", "CHILDREN", "MESSAGE", "kopf-example-1", "1m"} <= set(table)
    assert "KopfExample" in control.kubectl("explain", "kopfexamples")
    control.kubectl("delete", "kex", "--all", f"-n={ns}")
