"""Files of manifests become objects as the API server would keep them."""

from typing import Any

import pytest

from api.types.apps_v1 import DEPLOYMENTS
from api.types.core_v1 import SERVICES
from cli.whatif.live import Live
from cli.whatif.manifests import BadManifest, read

WEB = b"""
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: "app:1"}]}
"""


def test_objects_are_complete():
    ((web,), unknown) = read(WEB, "home", Live({}))
    assert (str(web), unknown, web.before) == ("Deployment home/web", [], None)
    spec = web.obj["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert spec["template"]["spec"]["schedulerName"] == "default-scheduler"


def test_several_documents_lists_and_kinds_that_nobody_knows():
    data = (
        WEB
        + b"""
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: s, namespace: own}, spec: {ports: [{port: 80}]}}
- {apiVersion: example.com/v1, kind: Shirt, metadata: {name: a}}
---
"""
    )
    found, unknown = read(data, "home", Live({}))
    assert [str(each) for each in found] == ["Deployment home/web", "Service own/s"]
    assert found[1].resource is SERVICES
    assert unknown == ["example.com/v1 Shirt a"]


def test_what_a_manifest_leaves_out_stays_as_it_is():
    ((before,), _) = read(WEB, "home", Live({}))
    live: Any = {**before.obj, "metadata": {**before.obj["metadata"], "uid": "u"}}
    live["spec"]["replicas"] = 7
    data = WEB.replace(b"  replicas: 2\n", b"").replace(b"app:1", b"app:2")
    ((web,), _) = read(data, "home", Live({DEPLOYMENTS: [live]}))
    assert web.before is live
    assert (web.obj["metadata"]["uid"], web.obj["spec"]["replicas"]) == ("u", 7)
    (container,) = web.obj["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "app:2"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"a: [", "yaml", id="no-yaml"),
        pytest.param(b"{apiVersion: v1, kind: Pod}", "Pod: metadata.name: Required value", id="no-name"),
        pytest.param(WEB.replace(b"app: web}}\n", b"app: x}}\n", 1), "selector", id="selector"),
        pytest.param(WEB.replace(b"replicas: 2", b"replicas: many"), "cannot unmarshal", id="wrong-type"),
    ],
)
def test_what_would_be_refused(data, text):
    with pytest.raises(BadManifest, match=text):
        read(data, "home", Live({}))
