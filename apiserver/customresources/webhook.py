"""Asks a definition's webhook to convert objects. Called by `translation.py`."""

from collections.abc import Sequence

from api.errors import StatusError
from api.resource import Obj
from apiserver.customresources import review
from apiserver.customresources.review import ReviewError
from apiserver.webhooks.client import WebhookClient, WebhookError
from kit import rand

# Upstream's clients of webhooks wait as long.
TIMEOUT_S = 30.0


class Converter:
    """The webhook of one definition."""

    def __init__(self, client: WebhookClient, config: Obj) -> None:
        """`config`: `spec.conversion.webhook`."""
        self._client = client
        self._config: Obj = config.get("clientConfig") or {}
        self._versions = config.get("conversionReviewVersions") or ()

    async def convert(self, objects: Sequence[Obj], wanted: str) -> list[Obj]:
        """Return the objects in another apiVersion, in the same order. Raises `StatusError`."""
        first = objects[0]
        subject = f"{first['apiVersion']}, Kind={first['kind']}"
        try:
            return await self._asked(objects, wanted, subject)
        except (WebhookError, ReviewError) as error:
            raise failed(f"conversion webhook for {subject} failed: {error}") from error

    async def _asked(self, objects: Sequence[Obj], wanted: str, subject: str) -> list[Obj]:
        version, uid = review.version_of(self._versions), rand.uid()
        question = review.request(version, uid, wanted, objects)
        answer = await self._client.call(self._config, question, TIMEOUT_S)
        made = review.converted(version, uid, answer)
        if len(made) != len(objects):
            text = f"returned {len(made)} objects, expected {len(objects)}"
            raise failed(f"conversion webhook for {subject} {text}")
        return [
            _accepted(before, after, wanted, f"conversion webhook for {subject} returned invalid", number)
            for number, (before, after) in enumerate(zip(objects, made, strict=True))
        ]


def _accepted(before: Obj, after: object, wanted: str, opening: str, number: int) -> Obj:
    try:
        return review.accepted(before, after, wanted)
    except ReviewError as error:
        raise failed(f"{opening} converted object at index {number}: {error}") from error


def failed(text: str) -> StatusError:
    """Return the error that readers and writers get, of code 500."""
    return StatusError(text)
