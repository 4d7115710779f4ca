"""From the runtime's messages to what the pure core reads. PURE.

Texts are interned: the same ids, names and images come again with every message and for every pod.
"""

from datetime import UTC, datetime, timedelta
from sys import intern

from nodeagent.cri import convert
from nodeagent.pod.observed import ContainerObserved, SandboxObserved, State
from proto.gen.cri import runtime_v1_pb2 as cri

_STATES: dict[int, State] = {
    cri.CONTAINER_CREATED: State.CREATED,
    cri.CONTAINER_RUNNING: State.RUNNING,
    cri.CONTAINER_EXITED: State.EXITED,
    cri.CONTAINER_UNKNOWN: State.UNKNOWN,
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(nanoseconds: int) -> datetime | None:
    """Return the time of a CRI timestamp; None for 0 (and for the negative ones of unset Go times)."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000) if nanoseconds > 0 else None


def container_state(state: int) -> State:
    """Return a container state of CRI as ours."""
    return _STATES.get(state, State.UNKNOWN)


def sandbox_observed(status: cri.PodSandboxStatus) -> SandboxObserved:
    ips = tuple(filter(None, [status.network.ip, *(one.ip for one in status.network.additional_ips)]))
    return SandboxObserved(
        intern(status.id),
        status.state == cri.SANDBOX_READY,
        status.metadata.attempt,
        moment(status.created_at),
        ips,
    )


def container_observed(
    status: cri.ContainerStatus, sandbox_id: str, message: str | None = None
) -> ContainerObserved:
    """Return one attempt; `message` is the termination message if it left one."""
    annotations = status.annotations
    return ContainerObserved(
        id=intern(status.id),
        name=intern(status.labels.get(convert.CONTAINER_NAME) or status.metadata.name),
        state=container_state(status.state),
        sandbox_id=sandbox_id,
        restarts=_number(annotations.get(convert.RESTART_COUNT), status.metadata.attempt),
        image=intern(status.image.user_specified_image or status.image.image),
        image_id=intern(status.image_ref),
        spec_hash=intern(annotations.get(convert.HASH, "")),
        created_at=moment(status.created_at),
        started_at=moment(status.started_at),
        finished_at=moment(status.finished_at),
        exit_code=status.exit_code,
        reason=status.reason,
        message=message if message is not None else status.message,
        log_path=status.log_path,
    )


def _number(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isdigit() else int(default)
