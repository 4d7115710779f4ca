"""Field names that expressions cannot write, escaped as Kubernetes does. Called by `schema_types`.

Spec: k8s.io/apiserver/pkg/cel/escaping.go (1.36).
"""

import re

# fmt: off
_RESERVED = frozenset((
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function",
    "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
))
# fmt: on
_SPECIAL = re.compile(r"__|[-./]")
_WORDS = {"__": "__underscores__", "-": "__dash__", ".": "__dot__", "/": "__slash__"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def escape(name: str) -> str:
    """Return the name that expressions use for a field, "" if they cannot reach it."""
    if name in _RESERVED:
        return f"__{name}__"
    escaped = _SPECIAL.sub(lambda match: _WORDS[match.group()], name)
    return escaped if _NAME.fullmatch(escaped) else ""
