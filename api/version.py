"""Which Kubernetes this is: told by the API server under `/version` and by every node in its status."""

MAJOR, MINOR = "1", "36"
# What nodes report: versions are compared as numbers, so nothing follows the patch level.
KUBERNETES = f"v{MAJOR}.{MINOR}.2"
# What the API server reports.
GIT_VERSION = f"{KUBERNETES}+pelamis"
