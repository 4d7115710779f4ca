"""The edge of extenders: questions go out as POST requests, replies come back. Called by `app` and `bind`."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from api.types.core_v1 import Pod
from client.http import HTTPTransport
from client.kubeconfig import Endpoint
from client.transport import RawRequest, Unreachable
from kit import log
from kit.metrics import REGISTRY
from scheduler.configuration.model import ExtenderConfig, ExtenderTLS
from scheduler.extenders import (
    Answer,
    ExtenderError,
    NoAnswer,
    Question,
    Reply,
    bind_question,
    interested,
    read_binding,
    url,
)

_log = log.get("scheduler.extender_client")
_HEADERS = {"Content-Type": "application/json"}
_asked = REGISTRY.counter(
    "scheduler_extender_requests_total", "Questions to extenders, by result.", ("extender", "result")
)


class ExtenderClient:
    """Asks extenders; each has connections of its own."""

    def __init__(self, extenders: Iterable[ExtenderConfig]) -> None:
        self._transports = {each: HTTPTransport(endpoint(each)) for each in extenders}

    async def ask_all(self, questions: Sequence[Question]) -> list[Reply]:
        """Return the replies to all questions, asked at once."""
        if len(questions) == 1:
            return [await self.ask(questions[0])]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(self.ask(question)) for question in questions]
        return [task.result() for task in asked]

    async def ask(self, question: Question) -> Reply:
        """Return the reply to a question: what goes wrong is one, too."""
        extender = question.extender
        request = RawRequest(
            "POST",
            f"/{question.verb}",
            body=orjson.dumps(question.body),
            headers=_HEADERS,
            timeout_s=extender.timeout_s,
        )
        reply = await self._send(request, question)
        _asked.add((extender.url_prefix, "answer" if isinstance(reply, Answer) else "error"))
        return reply

    async def bind(self, pod: Pod, node: str) -> bool:
        """Let the extender bind a pod that does so; False if the scheduler is to do it. Raises
        `ExtenderError`.
        """
        for extender in interested(self._transports, pod):
            if not extender.bind_verb:
                continue
            try:
                read_binding(await self.ask(bind_question(extender, pod, node)))
            except ExtenderError as error:
                if not extender.ignorable:
                    raise
                _log.warning("extender passed over", extender=extender.url_prefix, error=str(error))
                continue
            return True
        return False

    async def _send(self, request: RawRequest, question: Question) -> Reply:
        where = url(question)
        try:
            response = await self._transports[question.extender].request(request)
        except Unreachable as error:
            return NoAnswer(f'Post "{where}": {error}')
        if response.status != 200:
            verb = question.verb
            return NoAnswer(f"failed {verb} with extender at URL {where}, code {response.status}")
        try:
            return Answer(orjson.loads(response.body))
        except orjson.JSONDecodeError as error:
            return NoAnswer(f'Post "{where}": {error}')

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.close()


def endpoint(extender: ExtenderConfig) -> Endpoint:
    """Return how to reach an extender; without a certificate authority any certificate will do, as upstream
    has it.
    """
    tls = extender.tls or ExtenderTLS()
    has_ca = bool(tls.ca_file or tls.ca_data)
    return Endpoint(
        extender.url_prefix.rstrip("/"),
        ca_file=_path(tls.ca_file),
        ca_data=tls.ca_data,
        cert_file=_path(tls.cert_file),
        cert_data=tls.cert_data,
        key_file=_path(tls.key_file),
        key_data=tls.key_data,
        insecure=tls.insecure or (extender.enable_https and not has_ca),
        tls_server_name=tls.server_name,
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None
