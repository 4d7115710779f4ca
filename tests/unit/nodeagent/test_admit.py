import pytest

from nodeagent.admit import admit, claims_of

NODE = {
    "metadata": {"name": "n1", "labels": {"disk": "ssd", "cores": "4"}},
    "spec": {"taints": [{"key": "gpu", "effect": "NoExecute"}]},
    "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3", "example.com/gpu": "2"}},
}
TOLERATES = [{"operator": "Exists"}]


def pod(cpu="100m", ports=(), **spec):
    numbered = [{"containerPort": 1, **port} for port in ports]
    container = {"name": "a", "resources": {"requests": {"cpu": cpu}}, "ports": numbered}
    return {
        "metadata": {"name": "p", "namespace": "d", "uid": "u"},
        "spec": {"containers": [container], "tolerations": TOLERATES, **spec},
    }


def asks(resource, amount):
    found = pod()
    found["spec"]["containers"][0]["resources"] = {"requests": {resource: amount}}
    return found


def affinity(*expressions, fields=()):
    term = {"matchExpressions": list(expressions), "matchFields": list(fields)}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return {"affinity": {"nodeAffinity": required}}


def expression(operator, key="disk", *values):
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("wanted", "others", "reason"),
    [
        pytest.param(pod(), [], None, id="fits"),
        pytest.param(pod("3"), [], "OutOfcpu", id="too-much-cpu"),
        pytest.param(pod("1500m"), [pod("600m")], "OutOfcpu", id="cpu-taken"),
        pytest.param(pod("1400m"), [pod("600m")], None, id="cpu-exactly"),
        pytest.param(pod(), [pod(), pod(), pod()], "OutOfpods", id="too-many-pods"),
        pytest.param(asks("example.com/gpu", "3"), [], "OutOfexample.com/gpu", id="too-many-devices"),
        pytest.param(asks("example.com/licence", "1"), [], None, id="not-of-the-node"),
        pytest.param(
            pod(ports=[{"hostPort": 80}]), [pod(ports=[{"hostPort": 80}])], "NodePorts", id="port-taken"
        ),
        pytest.param(
            pod(ports=[{"hostPort": 80, "protocol": "UDP"}]),
            [pod(ports=[{"hostPort": 80}])],
            None,
            id="other-protocol",
        ),
        pytest.param(
            pod(ports=[{"hostPort": 80, "hostIP": "10.0.0.1"}]),
            [pod(ports=[{"hostPort": 80, "hostIP": "10.0.0.2"}])],
            None,
            id="other-address",
        ),
        pytest.param(pod(nodeSelector={"disk": "hdd"}), [], "NodeAffinity", id="selector"),
        pytest.param(pod(nodeSelector={"disk": "ssd"}), [], None, id="selector-fits"),
        pytest.param(pod(**affinity(expression("In", "disk", "hdd"))), [], "NodeAffinity", id="affinity-in"),
        pytest.param(pod(**affinity(expression("NotIn", "disk", "hdd"))), [], None, id="affinity-not-in"),
        pytest.param(pod(**affinity(expression("Exists", "x"))), [], "NodeAffinity", id="affinity-exists"),
        pytest.param(pod(**affinity(expression("DoesNotExist", "x"))), [], None, id="affinity-absent"),
        pytest.param(pod(**affinity(expression("Gt", "cores", "3"))), [], None, id="affinity-gt"),
        pytest.param(pod(**affinity(expression("Lt", "cores", "3"))), [], "NodeAffinity", id="affinity-lt"),
        pytest.param(
            pod(**affinity(expression("Gt", "disk", "3"))), [], "NodeAffinity", id="affinity-no-number"
        ),
        pytest.param(
            pod(**affinity(expression("Odd", "disk"))), [], "NodeAffinity", id="affinity-unknown-operator"
        ),
        pytest.param(pod(**affinity()), [], "NodeAffinity", id="empty-term-matches-nothing"),
        pytest.param(
            pod(**affinity(fields=[expression("In", "metadata.name", "n1")])), [], None, id="match-fields"
        ),
        pytest.param(pod(tolerations=[]), [], "TaintToleration", id="taint"),
        pytest.param(
            pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
            [],
            "SysctlForbidden",
            id="unsafe-sysctl",
        ),
        pytest.param(
            pod(securityContext={"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}),
            [],
            None,
            id="safe-sysctl",
        ),
    ],
)
def test_admit(wanted, others, reason):
    verdict = admit(wanted, map(claims_of, others), NODE)
    assert (verdict.reason if verdict else None) == reason


def test_messages_are_upstreams():
    verdict = admit(pod("3"), [], NODE)
    assert verdict is not None
    assert verdict.message == (
        "Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000"
    )


def test_static_pods_tolerate_every_taint():
    static = pod(tolerations=[])
    static["metadata"]["annotations"] = {"kubernetes.io/config.source": "file"}
    assert admit(static, [], NODE) is None
