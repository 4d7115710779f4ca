"""Bytes of the store and bytes on the wire."""

import orjson

from api.types.core_v1 import PODS
from apiserver.watchcache.layout import Layout

POD = {
    "spec": {"a": 1},
    "kind": "wrong",
    "metadata": {"name": "p", "resourceVersion": "7", "uid": "u"},
}


def test_the_stored_form_has_no_version_and_a_fixed_head():
    layout = Layout(PODS)
    value = layout.encode(POD)
    assert value == b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","uid":"u"},"spec":{"a":1}}'
    assert value.startswith(layout.head)


def test_serving_puts_the_version_in():
    layout = Layout(PODS)
    value = layout.encode(POD)
    data = layout.serve(value, 42)
    assert orjson.loads(data)["metadata"] == {"resourceVersion": "42", "name": "p", "uid": "u"}
    assert layout.value(data) == value
    assert orjson.loads(layout.at(data, 123456))["metadata"]["resourceVersion"] == "123456"
    assert layout.value(layout.at(data, 123456)) == value


def test_values_written_by_others_are_brought_into_form():
    layout = Layout(PODS)
    foreign = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{}}'
    assert layout.serve(foreign, 3).startswith(layout.head + b'"resourceVersion":"3","name":"p"')
