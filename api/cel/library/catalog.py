"""All functions and type names of expressions, as Kubernetes 1.36 has them. Called by the environment.

Spec: k8s.io/apiserver/pkg/cel/environment/base.go (1.36).
"""

from api.cel.declarations import Library, merge
from api.cel.library import (
    authorizer,
    formats,
    jsonpatch,
    lists,
    network,
    operators,
    optionals,
    quantity,
    regex,
    semver,
    standard,
    strings,
    times,
    url,
)
from api.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    LIST,
    MAP,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    Type,
    optional_of,
    type_type,
)

FUNCTIONS: Library = merge(
    library.FUNCTIONS
    for library in (
        operators,
        standard,
        times,
        optionals,
        strings,
        lists,
        regex,
        url,
        quantity,
        network,
        formats,
        semver,
        authorizer,
        jsonpatch,
    )
)

TYPE_NAMES: dict[str, Type] = {
    "bool": BOOL,
    "bytes": BYTES,
    "double": DOUBLE,
    "int": INT,
    "list": LIST,
    "map": MAP,
    "null_type": NULL,
    "string": STRING,
    "uint": UINT,
    "type": type_type(DYN),
    "google.protobuf.Timestamp": TIMESTAMP,
    "google.protobuf.Duration": DURATION,
    "optional_type": optional_of(DYN),
    **{of.name: of for of in (url.URL, quantity.QUANTITY, network.IP, network.CIDR, semver.SEMVER)},
}
