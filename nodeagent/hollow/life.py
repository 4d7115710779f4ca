"""How containers without processes behave: delays and ends, from settings and from the pod's annotations.
PURE.

    hollow.pelamis.dev/start-delay: 2s          how long the start of each container takes
    hollow.pelamis.dev/exit-after: 30s          when each main container ends after its start
    hollow.pelamis.dev/exit-code: "1"           with which code
    <container>.hollow.pelamis.dev/...          the same for one container, of whatever sort

Without annotations init containers end well at once, containers of Jobs after a while, all others run for
ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kit.config import parse_duration

DOMAIN = "hollow.pelamis.dev"
JOB_LABELS = ("batch.kubernetes.io/job-name", "job-name")


@dataclass(frozen=True)
class Defaults:
    """What applies without annotations; seconds."""

    sandbox_delay_s: float = 0.0
    start_delay_s: float = 0.0
    stop_delay_s: float = 0.0
    init_duration_s: float = 0.0
    job_duration_s: float = 1.0


@dataclass(frozen=True)
class Life:
    """One container's script; `exit_after_s` None means that it runs until it is stopped."""

    start_delay_s: float = 0.0
    exit_after_s: float | None = None
    exit_code: int = 0


def compute_life(
    name: str, kind: str, labels: Mapping[str, str], annotations: Mapping[str, str], defaults: Defaults
) -> Life:
    """Return a container's script. `kind` is init, sidecar, app or ephemeral. Malformed annotations do not
    count.
    """
    exit_after: float | None = None
    if kind == "init":
        exit_after = defaults.init_duration_s
    elif kind == "app" and any(label in labels for label in JOB_LABELS):
        exit_after = defaults.job_duration_s
    general = kind == "app"
    delay = _seconds(_setting(annotations, name, "start-delay", True))
    after = _seconds(_setting(annotations, name, "exit-after", general))
    code = _setting(annotations, name, "exit-code", general)
    return Life(
        defaults.start_delay_s if delay is None else delay,
        exit_after if after is None else after,
        int(code) if code.isdigit() else 0,
    )


def _setting(annotations: Mapping[str, str], container: str, key: str, general: bool) -> str:
    own = annotations.get(f"{container}.{DOMAIN}/{key}")
    return own or (annotations.get(f"{DOMAIN}/{key}") if general else None) or ""


def _seconds(text: str) -> float | None:
    try:
        return parse_duration(text) if text else None
    except ValueError:
        return None
