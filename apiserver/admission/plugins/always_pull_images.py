"""Every image is pulled anew, so that who may not pull it cannot use what others have pulled to the node.

Source: plugin/pkg/admission/alwayspullimages (1.36).
"""

from collections.abc import Iterator

from api.field import Path, not_supported
from api.resource import Obj
from api.types.core_v1 import PODS
from apiserver.admission.plugin import AdmissionRequest
from apiserver.admission.refusal import refuse

_ALWAYS = "Always"
_LISTS = ("initContainers", "containers", "ephemeralContainers")


class AlwaysPullImages:
    name = "AlwaysPullImages"

    def handles(self, request: AdmissionRequest) -> bool:
        written = request.operation in ("CREATE", "UPDATE") and not request.subresource
        return request.resource is PODS and written

    async def mutate(self, request: AdmissionRequest) -> Obj:
        pod = request.object or {}
        return pod if has_no_new_image(pod, request.old) else pulling_always(pod)

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse what later mutators may have put in."""
        pod = request.object or {}
        if has_no_new_image(pod, request.old):
            return
        for path, container in _containers(pod):
            policy = container.get("imagePullPolicy", "")
            if policy != _ALWAYS:
                fault = not_supported(path.child("imagePullPolicy"), policy, [_ALWAYS])
                raise refuse(request, str(fault))


def pulling_always(pod: Obj) -> Obj:
    """Return the pod with the policy of every container, and of every volume that is an image."""
    spec = dict(pod["spec"])
    for name in _LISTS:
        if items := spec.get(name):
            spec[name] = [{**item, "imagePullPolicy": _ALWAYS} for item in items]
    if any(volume.get("image") for volume in spec.get("volumes") or ()):
        spec["volumes"] = [_pulling(volume) for volume in spec["volumes"]]
    return {**pod, "spec": spec}


def _pulling(volume: Obj) -> Obj:
    image = volume.get("image")
    return {**volume, "image": {**image, "pullPolicy": _ALWAYS}} if image else volume


def has_no_new_image(pod: Obj, old: Obj | None) -> bool:
    """Tell whether an update brings no image that the pod did not have."""
    return old is not None and _images(pod) <= _images(old)


def _images(pod: Obj) -> set[str]:
    found = {container.get("image", "") for _, container in _containers(pod)}
    volumes = pod["spec"].get("volumes") or ()
    return found | {volume["image"].get("reference", "") for volume in volumes if volume.get("image")}


def _containers(pod: Obj) -> Iterator[tuple[Path, Obj]]:
    for name in _LISTS:
        for number, item in enumerate(pod["spec"].get(name) or ()):
            yield Path("spec").child(name).index(number), item
