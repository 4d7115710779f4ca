"""What the server adds to a new job."""

from api.types.batch_v1 import JOBS
from apiserver.resources.catalog import strategy_of


def test_a_new_job_selects_its_own_pods():
    spec = {"template": {"spec": {"restartPolicy": "Never"}}}
    job = {"metadata": {"name": "j", "uid": "u1"}, "spec": spec, "status": {"active": 9}}
    made = strategy_of(JOBS).prepare_for_create(job)
    label = {"batch.kubernetes.io/controller-uid": "u1"}
    assert made["spec"]["selector"] == {"matchLabels": label}
    assert label.items() <= made["spec"]["template"]["metadata"]["labels"].items()
    assert "active" not in made.get("status", {})
