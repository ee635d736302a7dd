"""The HTTP side of the fake Telegram: decoding calls, long polling, faults, downloads."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.kit.outside.serving import LocalServer
from tests.kit.state.journal import Journal
from tests.kit.telegram.methods import METHODS, Incoming, RefusedError
from tests.kit.telegram.types import BROKEN, Call, Fault, Latency, Upload
from tests.kit.telegram.world import BotState, World

_TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")
_VERBATIM = frozenset(
    {"text", "caption", "name", "title", "description", "parse_mode", "callback_query_id"}
    | {"file_id", "url", "action", "emoji", "short_description", "custom_emoji_id"}
)
_LONGEST_POLL = 50


def decode_params(fields: dict[str, Any]) -> dict[str, Any]:
    """Decode form fields: JSON where the Bot API has JSON, and numbers; text stays text."""
    decoded: dict[str, Any] = {}
    for key, value in fields.items():
        decoded[key] = value
        if key in _VERBATIM or not isinstance(value, str):
            continue
        with suppress(ValueError):
            decoded[key] = json.loads(value)
    return decoded


@dataclass
class Faults:
    """Planned refusals and latencies. Used with the journal locked."""

    planned: list[Fault] = field(default_factory=list)
    latency: list[Latency] = field(default_factory=list)
    answer_latency: list[Latency] = field(default_factory=list)

    def take(self, call: Call) -> Fault | None:
        """Return the fault that this call runs into, if any, and use it up."""
        for fault in self.planned:
            if fault.method.casefold() != call.method.casefold():
                continue
            if fault.match is not None and not fault.match(call):
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.planned.remove(fault)
            return fault
        return None


class TelegramApi(LocalServer):
    """Serves `/bot<token>/<method>` and `/file/bot<token>/<path>`, and records every call."""

    def __init__(self) -> None:
        super().__init__()
        self.journal: Journal[Call] = Journal()
        self.world = World()
        self.faults = Faults()
        self._seq = 0
        self._ended = False
        self._wake: dict[str, asyncio.Event] = {}

    @property
    def base_url(self) -> str:
        """What `extra.base_url` of the Telegram platform must be."""
        return f"{self.origin}/bot"

    @property
    def file_url(self) -> str:
        """What `extra.base_file_url` of the Telegram platform must be."""
        return f"{self.origin}/file/bot"

    def _application(self) -> Starlette:
        routes = [
            Route("/bot{token}/{method}", self._call, methods=["GET", "POST"]),
            Route("/file/bot{token}/{path:path}", self._download, methods=["GET"]),
        ]
        return Starlette(routes=routes)

    def _closing(self) -> None:
        self._ended = True
        for event in self._wake.values():
            event.set()

    def _wake_poller(self, token: str) -> None:
        """Let this bot's getUpdates look again (any thread)."""
        self._on_loop(lambda: self._wake.setdefault(token, asyncio.Event()).set())

    async def _download(self, request: Request) -> Response:
        with self.journal.changed:
            for file in self.world.files.values():
                if file.path == request.path_params["path"]:
                    return Response(file.content, media_type="application/octet-stream")
        return JSONResponse(RefusedError(404, "Not Found").body(), status_code=404)

    async def _call(self, request: Request) -> Response:
        token, method = request.path_params["token"], request.path_params["method"]
        at = time.monotonic()
        if not _TOKEN.fullmatch(token):
            return JSONResponse(RefusedError(401, "Unauthorized").body(), status_code=401)
        fields, uploads, contents = await _decode(request)
        call = Call(0, at, token, method, decode_params(fields), uploads)
        try:
            if method.casefold() == "getupdates":
                result = await self._updates(call, request)
            else:
                await asyncio.sleep(_seconds(self.faults.latency, call))
                result = self._execute(call, contents)
                await asyncio.sleep(_seconds(self.faults.answer_latency, call))
        except RefusedError as refused:
            if refused.code == BROKEN:
                return StreamingResponse(_cut())
            return JSONResponse(refused.body(), status_code=refused.code)
        return JSONResponse({"ok": True, "result": result})

    def _record(self, call: Call, **changes: Any) -> int:
        """Number a call and write it down. The journal must be locked."""
        self._seq += 1
        self.journal.add(replace(call, seq=self._seq, done_at=time.monotonic(), **changes))
        return self._seq

    def _execute(self, call: Call, contents: dict[str, bytes]) -> Any:
        with self.journal.changed:
            incoming = Incoming(call, contents, [])
            fault = self.faults.take(call)
            refused = _refusal(fault) if fault is not None else None
            result: Any = True
            try:
                if refused is not None and (fault is None or not fault.applied):
                    raise refused
                method = METHODS.get(call.method.casefold())
                if method is not None:
                    result = method(self.world, self.world.bot(call.token), incoming)
                if refused is not None:
                    raise refused
            except RefusedError as error:
                self._finish(call, incoming, str(error))
                raise
            self._finish(call, incoming, None)
            return result

    def _finish(self, call: Call, incoming: Incoming, error: str | None) -> None:
        touched = incoming.touched
        for message_id in touched:
            if (stored := self.world.by_id(message_id)) is not None:
                stored.seq = self._seq + 1
        self._record(call, message_id=touched[0] if touched else None, error=error)

    async def _updates(self, call: Call, request: Request) -> list[dict[str, Any]]:
        """Long poll: wait for updates, the timeout, a newer poll, or the client's departure."""
        with self.journal.changed:
            bot = self.world.bot(call.token)
            bot.poll += 1
            mine = bot.poll
            if isinstance(call.params.get("allowed_updates"), list):
                bot.allowed = tuple(call.params["allowed_updates"])
            _acknowledge(bot, call.params.get("offset"))
            fault = self.faults.take(call)
            refusal = _refusal(fault) if fault is not None else None
            self._record(call, error=str(refusal) if refusal else None)
        if refusal is not None:
            raise refusal
        limit = int(call.params.get("limit") or 100)
        deadline = call.at + min(float(call.params.get("timeout") or 0), _LONGEST_POLL)
        wake = self._wake.setdefault(call.token, asyncio.Event())
        wake.set()  # an older poll of this bot must notice
        gone = asyncio.create_task(_disconnected(request))
        try:
            while True:
                with self.journal.changed:
                    if bot.poll != mine:
                        raise RefusedError(
                            409,
                            "Conflict: terminated by other getUpdates request; make sure that "
                            "only one bot instance is running",
                        )
                    if bot.updates or self._ended or gone.done():
                        return bot.updates[:limit]
                    wake.clear()
                left = deadline - time.monotonic()
                if left <= 0:
                    return []
                waiting = asyncio.create_task(wake.wait())
                await asyncio.wait(
                    {waiting, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                waiting.cancel()
        finally:
            gone.cancel()


def _seconds(latencies: list[Latency], call: Call) -> float:
    """Return by how much a call is delayed; what was set last counts."""
    method = call.method.casefold()
    for latency in reversed(latencies):
        if latency.method == method and (latency.match is None or latency.match(call)):
            return latency.seconds
    return 0.0


async def _cut() -> AsyncIterator[bytes]:
    yield b"{"
    raise ConnectionAbortedError("the test broke this connection")


def _refusal(fault: Fault) -> RefusedError:
    return RefusedError(fault.error_code, fault.description, fault.retry_after)


def _acknowledge(bot: BotState, offset: Any) -> None:
    """Forget what the bot has confirmed. A negative offset keeps only that many."""
    if not isinstance(offset, int) or offset == 0:
        return
    if offset < 0:
        bot.updates[:] = bot.updates[offset:]
    bot.updates[:] = [update for update in bot.updates if update["update_id"] >= offset]


async def _disconnected(request: Request) -> None:
    """Return when the client has hung up (the body has been read before)."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _decode(
    request: Request,
) -> tuple[dict[str, Any], tuple[Upload, ...], dict[str, bytes]]:
    """Read the parameters of a call from query, JSON or form, and the uploaded files."""
    fields: dict[str, Any] = dict(request.query_params)
    uploads: list[Upload] = []
    contents: dict[str, bytes] = {}
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        fields |= await request.json()
    elif request.method == "POST":
        async with request.form(max_part_size=8 * 1024 * 1024) as form:
            for key, value in form.multi_items():
                if isinstance(value, UploadFile):
                    data = await value.read()
                    contents[key] = data
                    uploads.append(Upload.of(key, value.filename or key, data, value.content_type))
                else:
                    fields[key] = value
    return fields, tuple(uploads), contents
