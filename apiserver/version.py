"""Which Kubernetes this is: `GET /version`."""

import platform
import sys

from api.resource import Obj
from api.version import GIT_VERSION, MAJOR, MINOR


def version_info() -> Obj:
    """Return the answer of `/version`. Spec: k8s.io/apimachinery/pkg/version Info (1.36)."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": MAJOR,
        "minor": MINOR,
        "emulationMajor": MAJOR,
        "emulationMinor": MINOR,
        "minCompatibilityMajor": MAJOR,
        "minCompatibilityMinor": "35",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "compiler": sys.implementation.name,
        "platform": f"{sys.platform}/{machine}",
    }
