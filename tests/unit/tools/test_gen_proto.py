import pytest

from tools import gen_proto


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        pytest.param(
            "from etcd import kv_pb2 as etcd_dot_kv__pb2",
            "from proto.gen.etcd import kv_pb2 as etcd_dot_kv__pb2",
            id="package",
        ),
        pytest.param(
            "from containerd.events import task_pb2 as t",
            "from proto.gen.containerd.events import task_pb2 as t",
            id="nested-package",
        ),
        pytest.param("import rpc_pb2 as rpc__pb2", "from proto.gen import rpc_pb2 as rpc__pb2", id="top"),
        pytest.param(
            "from google.protobuf import any_pb2 as a",
            "from google.protobuf import any_pb2 as a",
            id="google",
        ),
        pytest.param("import grpc", "import grpc", id="other"),
    ],
)
def test_imports(line, fixed):
    assert gen_proto.fix_imports(line + "\n") == fixed + "\n"
    assert gen_proto.fix_imports(fixed + "\n") == fixed + "\n"


def test_what_is_checked_in_is_what_the_sources_say():
    assert gen_proto.differing(gen_proto.render(gen_proto.find_sources())) == []
