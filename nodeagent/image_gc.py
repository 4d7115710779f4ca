"""Removes images that no container uses when the disk gets full: `compute_removals` is pure, `ImageCollector`
its edge.

Source: pkg/kubelet/images/image_gc_manager.go (1.36).
"""

import shutil
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from kit import clock, log
from nodeagent.cri.client import Runtime
from nodeagent.cri.errors import CRIError

LOOK_EVERY_S = 300.0
# An image must have been seen for this long before it may go: somebody may be about to use it.
MIN_AGE_S = 120.0
_log = log.get("nodeagent.images")


@dataclass(frozen=True)
class ImageRecord:
    """One image. Times are seconds of a monotonic clock; `pinned` ones are the runtime's own."""

    id: str
    size: int
    first_seen_s: float
    last_used_s: float
    pinned: bool = False


def compute_removals(
    images: Mapping[str, ImageRecord], in_use: Set[str], to_free: int, now_s: float
) -> list[ImageRecord]:
    """Return the images to remove to free `to_free` bytes: unused ones, those used longest ago first."""
    candidates = [
        image
        for image in images.values()
        if image.id not in in_use and not image.pinned and now_s - image.first_seen_s >= MIN_AGE_S
    ]
    chosen: list[ImageRecord] = []
    for image in sorted(candidates, key=lambda one: (one.last_used_s, one.first_seen_s, one.id)):
        if to_free <= 0:
            break
        chosen.append(image)
        to_free -= image.size
    return chosen


class ImageCollector:
    """Looks every five minutes; thresholds are disk use in percent."""

    def __init__(self, runtime: Runtime, folder: Path, high: int, low: int) -> None:
        self._runtime = runtime
        self._folder = folder
        self._high, self._low = high, low
        self._known: dict[str, ImageRecord] = {}

    async def run(self) -> None:
        """Collect for ever."""
        while True:
            try:
                await self.sync()
            except CRIError as error:
                _log.info("images not collected", error=error.message)
            await clock.sleep(LOOK_EVERY_S)

    async def sync(self) -> None:
        """Note what is used; remove what must go. Raises `CRIError`."""
        in_use = await self._detect()
        usage = shutil.disk_usage(self._folder)
        used_percent = 100 * (usage.total - usage.free) / usage.total
        if self._high >= 100 or used_percent < self._high:
            return
        to_free = int(usage.total * (used_percent - self._low) / 100)
        for image in compute_removals(self._known, in_use, to_free, clock.monotonic()):
            _log.info("image removed", image=image.id, size=image.size, disk_used_percent=round(used_percent))
            await self._runtime.remove_image(image.id)
            self._known.pop(image.id, None)

    async def _detect(self) -> set[str]:
        now = clock.monotonic()
        in_use = {one.image_ref for one in await self._runtime.list_containers()}
        images = await self._runtime.list_images()
        known: dict[str, ImageRecord] = {}
        for image in images:
            if in_use.intersection((*image.repo_digests, *image.repo_tags)):
                in_use.add(image.id)
            before = self._known.get(image.id)
            used = now if image.id in in_use else before.last_used_s if before else 0.0
            first = before.first_seen_s if before else now
            pinned = image.pinned or _is_pause(list(image.repo_tags))
            known[image.id] = ImageRecord(image.id, image.size, first, used, pinned)
        self._known = known
        return in_use


def _is_pause(tags: list[str]) -> bool:
    """The sandbox's image has no container of its own; containerd 1.6 does not mark it as pinned."""
    return any("/pause:" in tag for tag in tags)
