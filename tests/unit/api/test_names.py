"""Names: what passes, and upstream's words for what does not."""

import pytest

from api import names

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
QUALIFIED = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize(
    ("check", "value", "complaints"),
    [
        pytest.param(names.is_dns1123_label, "a-1", [], id="label"),
        pytest.param(names.is_dns1123_label, "a.b", ["must not contain dots"], id="label with a dot"),
        pytest.param(names.is_dns1123_label, "A", [LABEL], id="capital label"),
        pytest.param(names.is_dns1123_label, "a" * 64, ["must be no more than 63 bytes"], id="long label"),
        pytest.param(names.is_dns1123_label, "a\n", [LABEL], id="line end"),
        pytest.param(names.is_dns1123_subdomain, "a.b-c.1", [], id="subdomain"),
        pytest.param(names.is_dns1123_subdomain, "a..b", [SUBDOMAIN], id="two dots"),
        pytest.param(names.is_dns1123_subdomain, "", [SUBDOMAIN], id="empty subdomain"),
        pytest.param(names.is_dns1035_label, "a1", [], id="1035"),
        pytest.param(names.is_wildcard_dns1123_subdomain, "*.a.b", [], id="wildcard"),
        pytest.param(names.is_qualified_name, "x.io/My_name", [], id="qualified"),
        pytest.param(names.is_qualified_name, "-x", [f"name part {QUALIFIED}"], id="bad name part"),
        pytest.param(names.is_qualified_name, "/x", ["prefix part must be non-empty"], id="empty prefix"),
        pytest.param(names.is_qualified_name, "X/x", [f"prefix part {SUBDOMAIN}"], id="bad prefix"),
        pytest.param(
            names.is_qualified_name,
            "a/",
            ["name part must be non-empty", f"name part {QUALIFIED}"],
            id="empty name part",
        ),
        pytest.param(
            names.is_qualified_name,
            "a/b/c",
            [
                f"a valid label key {QUALIFIED} with an optional DNS subdomain prefix and '/' "
                "(e.g. 'example.com/MyName')"
            ],
            id="two slashes",
        ),
        pytest.param(names.is_label_value, "", [], id="empty value"),
        pytest.param(names.is_label_value, "a" * 64, ["must be no more than 63 bytes"], id="long value"),
        pytest.param(names.is_config_map_key, "a_B.c", [], id="key"),
        pytest.param(names.is_config_map_key, "..", ["must not be '..'"], id="parent folder"),
        pytest.param(names.is_config_map_key, "..a", ["must not start with '..'"], id="starts with dots"),
        pytest.param(names.is_env_var_name, "A_B", [], id="variable"),
        pytest.param(names.is_relaxed_env_var_name, "1 a/b", [], id="relaxed variable"),
        pytest.param(
            names.is_relaxed_env_var_name,
            "a=b",
            [
                "a valid environment variable name must consist only of printable ASCII characters "
                "other than '='"
            ],
            id="variable with an equals sign",
        ),
        pytest.param(names.is_port_name, "http-1", [], id="port name"),
        pytest.param(
            names.is_port_name,
            "1-",
            [
                "must contain at least one letter (a-z)",
                "must not begin or end with a hyphen",
            ],
            id="bad port name",
        ),
        pytest.param(names.is_port_number, 0, ["must be between 1 and 65535, inclusive"], id="port 0"),
        pytest.param(
            names.is_path_segment, "a/b%", ["may not contain '/'", "may not contain '%'"], id="path"
        ),
        pytest.param(names.is_path_segment, "..", ["may not be '..'"], id="path dots"),
        pytest.param(names.is_percent, "5%", [], id="percent"),
    ],
)
def test_complaints(check, value, complaints):
    assert check(value) == complaints


@pytest.mark.parametrize(
    ("given", "stem"),
    [
        pytest.param("web-", "weba", id="dash"),
        pytest.param("web", "web", id="no dash"),
        pytest.param("-", "-", id="only a dash"),
    ],
)
def test_stem(given, stem):
    assert names.stem(given) == stem
