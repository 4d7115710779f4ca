"""Images for containers: pull policy, back-off, and the texts that users see. Called by the container
starter.

Source: pkg/kubelet/images/image_manager.go EnsureImageExists (1.36).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from api.resource import Obj
from kit import clock
from nodeagent.cri.client import Runtime
from nodeagent.cri.errors import CRIError
from nodeagent.pod.backoff import PULL_FIRST_S, PULL_LIMIT_S, BackOff
from proto.gen.cri import runtime_v1_pb2 as cri

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*(?::\d+)?"
_REFERENCE = re.compile(
    rf"(?:(?:{_HOST}|\[[a-fA-F0-9:]+\](?::\d+)?)/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?P<tag>:[\w][\w.-]{0,127})?"
    r"(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?"
)
# What Go's net package says when a registry cannot be reached, as opposed to: it answered that there is no
# such image.
_UNREACHABLE = (
    "dial tcp", "no such host", "i/o timeout", "connection refused", "server misbehaving", "TLS handshake",
)  # fmt: skip

# (type, reason, message) of an Event about the container.
Report = Callable[[str, str, str], None]


class ImageError(Exception):
    """The container's image is not there. `reason` and `message` are for its waiting state."""

    def __init__(self, reason: str, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.reason, self.message, self.retry_after_s = reason, message, retry_after_s


@dataclass(frozen=True)
class Pull:
    """What is wanted: the image with its tag, the policy, and under which key failures are counted."""

    image: str
    policy: str
    key: str


def with_default_tag(image: str) -> str:
    """Return the reference with `:latest` if it has neither tag nor digest. Raises `ValueError`."""
    match = _REFERENCE.fullmatch(image)
    if match is None:
        raise ValueError("invalid reference format")
    return image if match["tag"] or match["digest"] else f"{image}:latest"


def pull_policy(container: Obj) -> str:
    """Return the container's policy, with the API's default if it is unset."""
    if policy := container.get("imagePullPolicy"):
        return str(policy)
    image = container.get("image", "")
    return "Always" if image.endswith(":latest") or ":" not in image.rsplit("/", 1)[-1] else "IfNotPresent"


class ImageManager:
    """Sees to it that images are there before containers are made."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._backoff = BackOff(PULL_FIRST_S, PULL_LIMIT_S)
        self._failures: dict[str, str] = {}

    async def ensure(
        self, pod: Obj, container: Obj, report: Report, sandbox: cri.PodSandboxConfig | None = None
    ) -> str:
        """Return the runtime's reference of the container's image, pulled if need be. Raises `ImageError`."""
        image = container.get("image", "")
        try:
            tagged = with_default_tag(image)
        except ValueError as error:
            parse = f'couldn\'t parse image name "{image}": {error}'
            message = f'Failed to apply default image tag "{image}": {parse}'
            report("Warning", "InspectFailed", message)
            raise ImageError("InvalidImageName", message, 60.0) from error
        wanted = Pull(tagged, pull_policy(container), f"{pod['metadata']['uid']}_{tagged}")
        present = await self._present(wanted, report)
        if present and wanted.policy != "Always":
            text = f'Container image "{image}" already present on machine and can be accessed by the pod'
            report("Normal", "Pulled", text)
            return present
        if wanted.policy == "Never":
            message = f'Container image "{image}" is not present with pull policy of Never'
            report("Warning", "ErrImageNeverPull", message)
            raise ImageError("ErrImageNeverPull", message, 10.0)
        return await self._pull(wanted, present, report, sandbox)

    async def _present(self, wanted: Pull, report: Report) -> str:
        try:
            held = await self._runtime.image_status(wanted.image)
        except CRIError as error:
            message = f'Failed to inspect image "{wanted.image}": {error.rpc_text}'
            report("Warning", "InspectFailed", message)
            raise ImageError("ImageInspectError", message, 5.0) from error
        return held.id if held is not None else ""

    async def _pull(
        self, wanted: Pull, present: str, report: Report, sandbox: cri.PodSandboxConfig | None
    ) -> str:
        self._check_backoff(wanted, report)
        report("Normal", "Pulling", f'Pulling image "{wanted.image}"')
        started = clock.monotonic()
        try:
            ref = await self._runtime.pull_image(wanted.image, sandbox_config=sandbox)
        except CRIError as error:
            return self._pull_failed(wanted, present, report, error)
        self._backoff.forget(wanted.key)
        self._failures.pop(wanted.key, None)
        await self._report_pulled(wanted, clock.monotonic() - started, report)
        return ref

    def _check_backoff(self, wanted: Pull, report: Report) -> None:
        entry, now = self._backoff.entries.get(wanted.key), clock.now()
        if entry is None:
            return
        remaining = self._backoff.remaining_s(wanted.key, entry.changed, now)
        if remaining > 0:
            message = f'Back-off pulling image "{wanted.image}"'
            report("Normal", "BackOff", message)
            text = f"{message}: ErrImagePull: {self._failures.get(wanted.key, '')}"
            raise ImageError("ImagePullBackOff", text, remaining)

    def _pull_failed(self, wanted: Pull, present: str, report: Report, error: CRIError) -> str:
        if present and any(text in error.message for text in _UNREACHABLE):
            # DEVIATION: upstream fails under policy Always. A machine without its registry then could not
            # restart what it holds; the Event says what was done.
            text = f'Container image "{wanted.image}" already present on machine; its registry is unreachable'
            report("Normal", "Pulled", text)
            return present
        self._backoff.advance(wanted.key, clock.now())
        self._failures[wanted.key] = error.rpc_text
        report("Warning", "Failed", f'Failed to pull image "{wanted.image}": {error.rpc_text}')
        report("Warning", "Failed", "Error: ErrImagePull")
        raise ImageError("ErrImagePull", error.rpc_text, 2.0) from error

    async def _report_pulled(self, wanted: Pull, took_s: float, report: Report) -> None:
        try:
            held = await self._runtime.image_status(wanted.image)
        except CRIError:
            held = None
        size = held.size if held is not None else 0
        took = f"{took_s:.3f}s" if took_s >= 1 else f"{took_s * 1000:.0f}ms"
        report(
            "Normal",
            "Pulled",
            f'Successfully pulled image "{wanted.image}" in {took} ({took} including waiting). '
            f"Image size: {size} bytes.",
        )
