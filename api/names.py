"""What a name may look like: each check returns its complaints in upstream's words; an empty list is good.

Called by the validation of every kind, by selectors and by the API server's paths.
Source: k8s.io/apimachinery/pkg/util/validation and pkg/api/validate/content (1.36).
"""

import re
from collections.abc import Callable
from functools import lru_cache

LABEL_MAX = 63
SUBDOMAIN_MAX = 253
PORT_NAME_MAX = 15

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_ENV = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_PERCENT = "[0-9]+%"
_HEADER = "[-A-Za-z0-9]+"
_C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"

_MUST_QUALIFIED = (
    "must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_MUST_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_MUST_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_MUST_DNS1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character"
)
_MUST_WILDCARD = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must "
    "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_MUST_LABEL_VALUE = f"a valid label must be an empty string or {_MUST_QUALIFIED.removeprefix('must ')}"
_MUST_CONFIG_KEY = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_MUST_ENV = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', "
    "and must not start with a digit"
)
_MUST_ENV_RELAXED = (
    "a valid environment variable name must consist only of printable ASCII characters other than '='"
)
_MUST_PERCENT = "a valid percent string must be a numeric string followed by an ending '%'"
_MUST_C_IDENTIFIER = (
    "a valid C identifier must start with alphabetic character or '_', "
    "followed by a string of alphanumeric characters or '_'"
)
_MUST_HEADER = "a valid HTTP header must consist of alphanumeric characters or '-'"


def max_length_message(length: int) -> str:
    return f"must be no more than {length} bytes"


def regex_message(what: str, regex: str, *examples: str) -> str:
    """Return the complaint about a value that does not match, with examples that do."""
    if not examples:
        return f"{what} (regex used for validation is '{regex}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{what} (e.g. {shown}regex used for validation is '{regex}')"


def range_message(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def _checker(regex: str, limit: int, what: str, *examples: str) -> Callable[[str], list[str]]:
    matches = re.compile(regex).fullmatch
    complaint = regex_message(what, regex, *examples)

    def check(value: str) -> list[str]:
        errors = [max_length_message(limit)] if limit and len(value.encode()) > limit else []
        return errors if matches(value) else [*errors, complaint]

    return check


is_dns1123_subdomain = _checker(_SUBDOMAIN, SUBDOMAIN_MAX, _MUST_SUBDOMAIN, "example.com")
is_dns1035_label = _checker(_DNS1035, LABEL_MAX, _MUST_DNS1035, "my-name", "abc-123")
is_wildcard_dns1123_subdomain = _checker(_WILDCARD, SUBDOMAIN_MAX, _MUST_WILDCARD, "*.example.com")
is_label_value = _checker(_LABEL_VALUE, LABEL_MAX, _MUST_LABEL_VALUE, "MyValue", "my_value", "12345")
is_percent = _checker(_PERCENT, 0, _MUST_PERCENT, "1%", "93%")
is_http_header_name = _checker(_HEADER, 0, _MUST_HEADER, "X-Header-Name")
is_c_identifier = _checker(_C_IDENTIFIER, 0, _MUST_C_IDENTIFIER, "my_name", "MY_NAME", "MyName")
_is_dns1123_label = _checker(_LABEL, LABEL_MAX, _MUST_LABEL, "my-name", "123-abc")
_is_config_key = _checker(_CONFIG_KEY, SUBDOMAIN_MAX, _MUST_CONFIG_KEY, "key.name", "KEY_NAME", "key-name")
_is_env_name = _checker(_ENV, 0, _MUST_ENV, "my.env-name", "MY_ENV.NAME", "MyEnvName1")
_is_name_part = _checker(_QUALIFIED, 0, _MUST_QUALIFIED, "MyName", "my.name", "123-abc")


def is_dns1123_label(value: str) -> list[str]:
    """Check a name without dots, as namespaces, containers and Services of DNS have."""
    errors = _is_dns1123_label(value)
    if errors and "." in value and re.fullmatch(_SUBDOMAIN, value):
        errors[-1] = "must not contain dots"
    return errors


@lru_cache(maxsize=4096)
def _qualified_name_errors(value: str) -> tuple[str, ...]:
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        shown = regex_message(_MUST_QUALIFIED, _QUALIFIED, "MyName", "my.name", "123-abc")
        return (
            f"a valid label key {shown} with an optional DNS subdomain prefix and '/' "
            "(e.g. 'example.com/MyName')",
        )
    errors = []
    if slash:
        found = is_dns1123_subdomain(prefix) if prefix else ["must be non-empty"]
        errors += [f"prefix part {message}" for message in found]
    if not name:
        errors.append("name part must be non-empty")
    elif len(name.encode()) > LABEL_MAX:
        errors.append(f"name part {max_length_message(LABEL_MAX)}")
    return (*errors, *(f"name part {message}" for message in _is_name_part(name)))


def is_qualified_name(value: str) -> list[str]:
    """Check a label or annotation key: `name` or `prefix.example/name`."""
    return list(_qualified_name_errors(value))


def is_config_map_key(value: str) -> list[str]:
    """Check a key of a ConfigMap or Secret, which becomes a file name."""
    errors = _is_config_key(value)
    if value in {".", ".."}:
        errors.append(f"must not be '{value}'")
    elif value.startswith(".."):
        errors.append("must not start with '..'")
    return errors


def is_env_var_name(value: str) -> list[str]:
    """Check the name of an environment variable by the strict rules."""
    errors = _is_env_name(value)
    if value in {".", ".."}:
        errors.append(f"must not be '{value}'")
    elif value.startswith(".."):
        errors.append("must not start with '..'")
    return errors


def is_relaxed_env_var_name(value: str) -> list[str]:
    """Check the name of an environment variable by the rules in force since 1.34."""
    if not value:
        return ["environment variable name must be non-empty"]
    fine = all(" " <= letter <= "~" and letter != "=" for letter in value)
    return [] if fine else [_MUST_ENV_RELAXED]


def is_port_name(value: str) -> list[str]:
    """Check an IANA service name, as ports have."""
    errors = []
    if len(value) > PORT_NAME_MAX:
        errors.append(max_length_message(PORT_NAME_MAX))
    if not re.fullmatch("[-a-z0-9]+", value):
        errors.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        errors.append("must contain at least one letter (a-z)")
    if "--" in value:
        errors.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        errors.append("must not begin or end with a hyphen")
    return errors


def is_port_number(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else [range_message(1, 65535)]


def is_path_segment(value: str) -> list[str]:
    """Check a name that only has to fit in a URL, as RBAC objects have."""
    if value in {".", ".."}:
        return [f"may not be '{value}'"]
    return [f"may not contain '{piece}'" for piece in ("/", "%") if piece in value]


def stem(generate_name: str) -> str:
    """Return `generateName` made checkable as a name: a trailing dash counts as the letter to come."""
    return (
        generate_name[:-1] + "a" if len(generate_name) > 1 and generate_name.endswith("-") else generate_name
    )
