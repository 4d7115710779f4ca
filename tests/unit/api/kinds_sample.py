"""Objects that several tests of kinds start from."""

from typing import Any

from api.core.pod import defaults
from api.resource import Obj


def pod_body(**spec: Any) -> Obj:
    """Return a pod as a user writes it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"containers": [{"name": "web", "image": "nginx:1"}], **spec},
    }


def full_pod(**spec: Any) -> Obj:
    """Return a pod with its defaults, as it is stored."""
    return defaults(pod_body(**spec))


def template(**spec: Any) -> Obj:
    """Return a pod template with the label `app: web`."""
    return {"metadata": {"labels": {"app": "web"}}, "spec": pod_body(**spec)["spec"]}


def texts(errors: list[Any]) -> list[str]:
    """Return errors as users read them."""
    return [str(error) for error in errors]
