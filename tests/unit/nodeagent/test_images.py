"""Pull policies and back-off against a hollow runtime whose images are set by the test."""

from datetime import UTC, datetime, timedelta

import pytest

from kit import clock
from kit.tasks import Tasks
from nodeagent.cri.errors import CRIError
from nodeagent.hollow.inprocess import InProcessRuntime
from nodeagent.hollow.service import HollowService, HollowSettings
from nodeagent.images import ImageError, ImageManager, pull_policy, with_default_tag
from proto.gen.cri import runtime_v1_pb2 as cri

POD = {"metadata": {"uid": "u"}}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Registry(InProcessRuntime):
    """A runtime that holds `present` and pulls what is in `remote`; anything else fails with `error`."""

    def __init__(self, present=(), remote=(), error="not found"):
        super().__init__(HollowService(HollowSettings(), Tasks()))
        self.present, self.remote, self.error, self.pulls = set(present), set(remote), error, 0

    async def image_status(self, image, verbose=False):
        return cri.Image(id=f"id-{image}", size=5) if image in self.present else None

    async def pull_image(self, image, auth=None, sandbox_config=None):
        self.pulls += 1
        if image not in self.remote:
            raise CRIError(self.error)
        self.present.add(image)
        return f"id-{image}"


async def ensure(manager, image="x:1", policy=""):
    events = []
    container = {"name": "a", "image": image, **({"imagePullPolicy": policy} if policy else {})}
    found = await manager.ensure(POD, container, lambda *event: events.append(event[1:]))
    return found, [reason for reason, _ in events]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("busybox", "busybox:latest"),
        ("busybox:1", "busybox:1"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
        ("a@sha256:" + "0" * 64, "a@sha256:" + "0" * 64),
    ],
)
def test_default_tag(image, expected):
    assert with_default_tag(image) == expected


@pytest.mark.parametrize("image", ["", "UPPER", "a b", "x:", "/x"])
def test_invalid_references(image):
    with pytest.raises(ValueError, match="invalid reference format"):
        with_default_tag(image)


@pytest.mark.parametrize(
    ("container", "policy"),
    [
        ({"image": "x"}, "Always"),
        ({"image": "x:latest"}, "Always"),
        ({"image": "host:1/x"}, "Always"),
        ({"image": "x:1"}, "IfNotPresent"),
        ({"image": "x", "imagePullPolicy": "Never"}, "Never"),
    ],
)
def test_pull_policy(container, policy):
    assert pull_policy(container) == policy


async def test_present_images_are_not_pulled():
    runtime = Registry(present=["x:1"])
    assert await ensure(ImageManager(runtime)) == ("id-x:1", ["Pulled"])
    assert runtime.pulls == 0


async def test_missing_images_are_pulled():
    assert await ensure(ImageManager(Registry(remote=["x:1"]))) == ("id-x:1", ["Pulling", "Pulled"])


async def test_never():
    with pytest.raises(ImageError) as error:
        await ensure(ImageManager(Registry()), policy="Never")
    assert error.value.reason == "ErrImageNeverPull"
    assert error.value.message == 'Container image "x:1" is not present with pull policy of Never'


async def test_invalid_name():
    with pytest.raises(ImageError) as error:
        await ensure(ImageManager(Registry()), "A B")
    assert error.value.reason == "InvalidImageName"


async def test_failures_back_off_and_recover():
    runtime = Registry()
    manager = ImageManager(runtime)
    hand = clock.ManualClock(NOW)
    with clock.use(hand):
        with pytest.raises(ImageError) as error:
            await ensure(manager)
        assert (error.value.reason, error.value.message) == (
            "ErrImagePull",
            "rpc error: code = Unknown desc = not found",
        )
        with pytest.raises(ImageError) as error:
            await ensure(manager)
        assert error.value.reason == "ImagePullBackOff"
        assert error.value.message.startswith('Back-off pulling image "x:1": ErrImagePull: ')
        assert error.value.retry_after_s == 10
        assert runtime.pulls == 1
        hand.current += timedelta(seconds=11)
        runtime.remote.add("x:1")
        assert (await ensure(manager))[0] == "id-x:1"


async def test_always_uses_what_is_there_if_the_registry_is_out_of_reach():
    runtime = Registry(present=["x:1"], error="dial tcp: lookup x: no such host")
    assert (await ensure(ImageManager(runtime), policy="Always"))[0] == "id-x:1"


async def test_always_fails_if_the_registry_says_no():
    with pytest.raises(ImageError):
        await ensure(ImageManager(Registry(present=["x:1"])), policy="Always")
