"""`FakeModel`: an OpenAI-compatible server whose answers are scripted.

    with FakeModel() as model:
        model.script(contains="weather", reply=Reply("sunny"))
        ...
        request = model.wait_for(lambda r: r.kind == "chat" and "weather" in r.last_user)

Without a script, `default_reply` of `tests.kit.model.script` answers: by the directives in the
user's text, or with an echo.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.kit.model.script import default_reply, kind_of
from tests.kit.model.types import ModelRequest, Reply
from tests.kit.outside.serving import LocalServer
from tests.kit.state.journal import Journal

__all__ = ["FakeModel", "ModelRequest", "Reply"]

_LONGEST_HOLD = 300.0
_TICK = 0.005
_TIMEOUT = 120.0

Answer = Reply | Callable[[ModelRequest], Reply | None]


@dataclass(slots=True)
class _Script:
    answer: Answer
    matches: Callable[[ModelRequest], bool]
    times: int | None


class FakeModel(LocalServer):
    """Serves `/v1/chat/completions` and `/v1/models`; anything else is a polite 404."""

    def __init__(self, models: tuple[str, ...] = ("kit-model",)) -> None:
        super().__init__()
        self.models = models
        self.journal: Journal[ModelRequest] = Journal()
        self.probes: list[str] = []
        """`METHOD /path` of each request that asked for no answer."""
        self._scripts: list[_Script] = []
        self._ended = False

    @property
    def base_url(self) -> str:
        """What `model.base_url` must be."""
        return f"{self.origin}/v1"

    # -- scripting

    def script(
        self,
        reply: Answer,
        *,
        contains: str = "",
        api_key: str | None = None,
        model: str | None = None,
        kind: str | None = "chat",
        where: Callable[[ModelRequest], bool] = lambda request: True,
        times: int | None = None,
    ) -> None:
        """Answer matching requests with a reply, or with what a function of the request returns.

        `contains` looks at the newest user message; `kind=None` takes every kind. The newest
        matching script wins; one that returns None passes. `times` limits its use.
        """

        def matches(request: ModelRequest) -> bool:
            return (
                contains in request.last_user
                and api_key in (None, request.api_key)
                and model in (None, request.model)
                and kind in (None, request.kind)
                and where(request)
            )

        with self.journal.changed:
            self._scripts.insert(0, _Script(reply, matches, times))

    def clear_scripts(self) -> None:
        """Forget all scripts: `default_reply` answers again."""
        with self.journal.changed:
            self._scripts.clear()

    def _reply_to(self, request: ModelRequest) -> Reply:
        for script in list(self._scripts):
            if script.times == 0 or not script.matches(request):
                continue
            answer = script.answer
            found = answer if isinstance(answer, Reply) else answer(request)
            if found is not None:
                script.times = script.times - 1 if script.times is not None else None
                return found
        return default_reply(request)

    # -- what a test looks at

    @property
    def seq(self) -> int:
        """Sequence number of the newest request, for `after=`."""
        return len(self.journal.all())

    def requests(
        self, kind: str | None = None, *, api_key: str | None = None, after: int = 0
    ) -> list[ModelRequest]:
        """Return the recorded requests: of one kind or key only, newer than ``after``."""
        return [
            request
            for request in self.journal.all()
            if request.seq > after
            and kind in (None, request.kind)
            and api_key in (None, request.api_key)
        ]

    def wait_for(
        self,
        predicate: Callable[[ModelRequest], bool],
        timeout: float = _TIMEOUT,
        after: int = 0,
    ) -> ModelRequest:
        """Return the first request for which the predicate holds, looked at on each change.

        Raises TimeoutError whose text lists the recorded requests.
        """

        def probe() -> ModelRequest | None:
            found = (r for r in self.journal.all() if r.seq > after and predicate(r))
            return next(found, None)

        return self.journal.wait(
            probe, timeout, lambda: f"no such request in {timeout} s:\n{self.listing(after)}"
        )

    def wait_chat(
        self, contains: str = "", *, timeout: float = _TIMEOUT, after: int = 0, done: bool = False
    ) -> ModelRequest:
        """Return the first chat request with this text; with `done`, once it has ended."""

        def matches(request: ModelRequest) -> bool:
            asked = request.kind == "chat" and contains in request.last_user
            return asked and (not done or request.end is not None)

        return self.wait_for(matches, timeout, after)

    def listing(self, after: int = 0, last: int = 40) -> str:
        """Return recent requests, one per line."""
        lines = [request.line() for request in self.requests(after=after)]
        return "\n".join(lines[-last:]) or "(no requests)"

    # -- serving

    def _application(self) -> Starlette:
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/models", self._list, methods=["GET"]),
            Route("/v1/models/{name:path}", self._one, methods=["GET"]),
            Route("/{path:path}", self._unknown, methods=["GET", "POST", "PUT", "DELETE"]),
        ]
        return Starlette(routes=routes)

    def _closing(self) -> None:
        self._ended = True

    async def _list(self, request: Request) -> Response:
        self._probed(request)
        return JSONResponse({"object": "list", "data": [_model(name) for name in self.models]})

    async def _one(self, request: Request) -> Response:
        self._probed(request)
        return JSONResponse(_model(request.path_params["name"]))

    async def _unknown(self, request: Request) -> Response:
        self._probed(request)
        return _error(404, f"no {request.url.path} here")

    def _probed(self, request: Request) -> None:
        with self.journal.changed:
            self.probes.append(f"{request.method} {request.url.path}")

    async def _chat(self, http: Request) -> Response:
        request = self._note(await http.body(), http.headers.get("authorization", ""))
        reply = request.reply
        assert reply is not None
        if reply.hold_after is None and not await self._waited(reply, http):
            self._finish(request, "disconnected")
            return Response(status_code=499)
        request.first_byte_at = time.monotonic()
        if reply.error is not None:
            self._finish(request, "error")
            return _error(reply.error, reply.error_message, reply.retry_after)
        if request.stream:
            return StreamingResponse(self._stream(request), media_type="text/event-stream")
        self._finish(request, "finished")
        return JSONResponse(_completion(request, reply))

    def _note(self, body: bytes, authorization: str) -> ModelRequest:
        """Record a request together with the reply that it will get."""
        at, data = time.monotonic(), json.loads(body)
        tools = tuple(tool["function"]["name"] for tool in data.get("tools") or [])
        messages = data.get("messages") or []
        with self.journal.changed:
            request = ModelRequest(
                seq=self.seq + 1,
                at=at,
                api_key=authorization.removeprefix("Bearer "),
                model=data.get("model", ""),
                messages=messages,
                tools=tools,
                stream=bool(data.get("stream")),
                body=body,
                kind=kind_of(messages, tools),
            )
            request.reply = self._reply_to(request)
            self.journal.add(request)
        return request

    def _finish(self, request: ModelRequest, end: Any) -> None:
        request.finished_at, request.end = time.monotonic(), end
        self.journal.touch()

    async def _waited(self, reply: Reply, http: Request | None) -> bool:
        """Wait out the reply's delay and hold; False when the client left meanwhile."""
        if reply.delay <= 0 and reply.hold is None:
            return True
        start = time.monotonic()
        while True:
            waited = time.monotonic() - start
            held = reply.hold is not None and not reply.hold.is_set() and waited < _LONGEST_HOLD
            if self._ended or (waited >= reply.delay and not held):
                return True
            if http is not None and await http.is_disconnected():
                return False
            left = reply.delay - waited
            await asyncio.sleep(min(left, 0.05) if left > 0 else _TICK)

    async def _stream(self, request: ModelRequest) -> AsyncIterator[bytes]:
        """Yield the events of a streamed answer, and note how it ended."""
        reply, end = request.reply or Reply(), "disconnected"
        try:
            yield _event(request, {"role": "assistant", "content": ""})
            for number, piece in enumerate(reply.chunks()):
                if number == reply.cut_after:
                    end = "error"
                    raise ConnectionAbortedError("the script cut this stream")
                if number == reply.hold_after:
                    await self._waited(reply, None)
                yield _event(request, {"content": piece})
                await asyncio.sleep(reply.chunk_delay)
            if reply.tool_calls:
                yield _event(request, {"tool_calls": _tool_calls(request, reply, indexed=True)})
            yield _event(request, {}, "tool_calls" if reply.tool_calls else "stop")
            if (request.json.get("stream_options") or {}).get("include_usage"):
                yield _event(request, None)
            end = "finished"
            request.finished_at = time.monotonic()
            yield b"data: [DONE]\n\n"
        finally:
            self._finish(request, end)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "kit"}


def _error(status: int, message: str, retry_after: int | None = None) -> Response:
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else None
    body = {"error": {"message": message, "type": "kit_error", "code": status}}
    return JSONResponse(body, status_code=status, headers=headers)


def _usage(request: ModelRequest) -> dict[str, int]:
    """Return plausible token counts: four bytes are a token."""
    prompt, answer = len(request.body) // 4, len((request.reply or Reply()).text) // 4 + 1
    counts = {"prompt_tokens": prompt, "completion_tokens": answer}
    return counts | {"total_tokens": prompt + answer}


def _tool_calls(request: ModelRequest, reply: Reply, indexed: bool) -> list[dict[str, Any]]:
    return [
        ({"index": index} if indexed else {})
        | {
            "id": f"call_{request.seq}_{index}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments))},
        }
        for index, call in enumerate(reply.tool_calls)
    ]


def _completion(request: ModelRequest, reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.tool_calls:
        message["tool_calls"] = _tool_calls(request, reply, indexed=False)
    reason = "tool_calls" if reply.tool_calls else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return _envelope(request, "chat.completion") | {"choices": [choice], "usage": _usage(request)}


def _event(request: ModelRequest, delta: dict[str, Any] | None, reason: str | None = None) -> bytes:
    """Return one event of a stream; a delta of None is the event that only tells usage."""
    event = _envelope(request, "chat.completion.chunk")
    if delta is None:
        event |= {"choices": [], "usage": _usage(request)}
    else:
        event["choices"] = [{"index": 0, "delta": delta, "finish_reason": reason}]
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def _envelope(request: ModelRequest, kind: str) -> dict[str, Any]:
    created = {"created": int(time.time()), "model": request.model}
    return {"id": f"chatcmpl-{request.seq}", "object": kind} | created
