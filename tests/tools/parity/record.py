"""What one side did during a scenario, as lines that are comparable with the other side's.

Left out, because it is timing: how often "typing" is shown, and the steps of a text that grows: the
states of a message that a later state of it continues (streaming, tool progress). What stays is the
order of the messages, for each its target, its reply anchor, its files, and all its texts, formats
and buttons in order. Ids, times and folders get names that are the same on both sides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.kit import Call, ModelRequest
from tests.kit.telegram.text import render
from tests.kit.telegram.types import CURSOR
from tests.tools.parity.scene import ASIDE, Scene

_NOT_OF_A_PLACE = frozenset(
    {"getupdates", "getme", "getwebhookinfo", "setmycommands", "deletewebhook", "getchat"}
    | {"getmycommands", "deletemycommands", "setmydescription", "getchatmember"}
)
_TIP = re.compile(r"Tip: .*")
_UNCHANGED = "message is not modified"
_CREATES = re.compile(r"send(?!chataction|messagedraft)", re.IGNORECASE)
#: What a probe finds that has seconds for it depends on how busy the machine is.
_PROBED = re.compile(r"(?:\\n)*Python toolchain: [^\"\\]*")
_STEADY: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b\d{8}\\?_\d{6}\\?_[0-9a-f]+"), "<session>"),
    (re.compile(r"\bcall_\d+_\d+\b"), "<tool call>"),
    (re.compile(r"\b(?:bg|proc|deleg|task)(?:\\?_[0-9a-f]{6,})+"), "<job>"),
    (re.compile(r"\bsa(\\?-)\d+\\?-[0-9a-f]{8}\b"), r"sa\1<job>"),
    (re.compile(r"(pid\\*\": )\d+"), r"\1<pid>"),
    (re.compile(r"(HERMES\\?_CWD\\?_)[0-9a-f]{6,}"), r"\1<hash>"),
    (re.compile(r"\b\d{1,3}(?:,\d{3})+\b"), "<count>"),
    # An estimate that Hermes makes from the length of all that it keeps, times included.
    (re.compile(r"(\\?~)\d+\b"), r"\1<count>"),
    (re.compile(r"Kit conversation(?: \\?#\d+)?"), "<title>"),
    (re.compile(r"\(\d+%\)|\\\(\d+%\\\)"), "(<percent>)"),
    (
        re.compile(r"\b\d{4}\\?-\d\d\\?-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?"),
        "<time>",
    ),
    (re.compile(r"\b\d+(\\?\.\d+)? ?(?:s|sec|ms|seconds?)\b"), "<seconds>"),
    (re.compile(r"(duration\\*_seconds\\*\": )\d+(\\?\.\d+)?"), r"\1<seconds>"),
    (re.compile(r"\b(ea:\w+):\d+"), r"\1:<n>"),
    (re.compile(r"\b(cl|sc:\w+):[0-9a-zA-Z_-]+"), r"\1:<n>"),
    (re.compile(r"\b(img|audio|doc|video|sticker|tts_reply)\\?_[0-9a-f]{8,}"), r"\1_<hash>"),
    (re.compile(r"tts_\d{8}_\d{6}[0-9_]*"), "tts_<time>"),
    (re.compile(r"127(?:\\?\.0){2}\\?\.1:\d+"), "<server>"),
)
#: From 0.22 on, Hermes tells the model which message corrects a turn that runs.
_MESSAGE_ID = re.compile(r"""(message\\*_id\\*": \\*"?)(\d+)""")


@dataclass
class _Stream:
    """One message of the bot: how it was made, and what became of it."""

    head: dict[str, Any]
    states: list[dict[str, Any]] = field(default_factory=list)


class Record:
    """What happened in a scene. Built when it has settled; `lines` are the comparable form."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._base = str(scene.side.root.base)
        self._names: dict[int, str] = {
            number: f"<user message {index}>" for index, number in enumerate(scene.said, 1)
        }
        # After a restart somebody writes aside until there are answers: how often is timing.
        requests = [
            request
            for request in scene.model.requests(after=scene.asked)
            if f"thread: {ASIDE}" not in request.system
        ]
        self.chats = _by_conversation([r for r in requests if r.kind == "chat"])
        self.others = sorted(
            {f"{r.kind}, of {r.model}" for r in requests if r.kind not in {"chat", "title"}}
        )
        calls = [call for call in scene.telegram.calls(after=scene.begin) if self._ours(call)]
        self.platform = list(self._streams(calls))

    @property
    def lines(self) -> list[str]:
        """Everything, line by line."""
        notes = [f"note: {self._steady(line)}" for line in self._scene.notes]
        return [*self.platform, *self._request_lines(), *notes]

    def summary(self) -> str:
        """Return what the table says of this side."""
        messages = sum(1 for line in self.platform if line.startswith("message"))
        return f"{messages} msg, {len(self.chats)} req"

    # -- the platform

    def _ours(self, call: Call) -> bool:
        method = call.method.casefold()
        if method in _NOT_OF_A_PLACE:
            return False
        if method == "answercallbackquery":
            return True
        if method == "getfile":
            return True
        scene = self._scene
        if call.params.get("chat_id") != scene.chat_id:
            return False
        if call.place[1] is None and "message_id" in call.params:
            touched = scene.telegram.world.by_id(int(call.params["message_id"]))
            return touched is None or touched.thread_id == scene.thread_id
        return call.place[1] == scene.thread_id

    def _streams(self, calls: list[Call]) -> Iterator[str]:
        streams: dict[object, _Stream] = {}
        drafts: dict[object, list[Call]] = {}
        typing: set[str] = set()
        aside: list[str] = []
        for call in calls:
            method = call.method.casefold()
            if method == "sendchataction":
                typing.add(f"shows {call.params.get('action')}")
            elif method == "sendmessagedraft":
                drafts.setdefault(call.params.get("draft_id"), []).append(call)
            elif _CREATES.match(method):
                self._create(streams, call)
            elif _UNCHANGED in (call.error or ""):
                pass  # how often a text is sent that is there already is timing
            elif "message_id" in call.params and call.params["message_id"] in streams:
                streams[call.params["message_id"]].states.append(self._state(call))
            else:
                aside.append(self._steady(f"{call.method} {_flat(self._params(call))}"))
        if self.chats:  # what is answered at once may be there before "typing" is
            yield from sorted(typing)
        for shown in drafts.values():
            yield from self._draft(shown)
        for stream in streams.values():
            yield f"message {_flat(stream.head)}"
            yield from (f"    {_flat(state)}" for state in _grown(stream.states))
        yield from aside

    def _create(self, streams: dict[object, _Stream], call: Call) -> None:
        head = self._params(call)
        state = self._state(call)
        for name in ("text", "caption", "parse_mode", "reply_markup", "error"):
            head.pop(name, None)
        head = {"by": call.method} | head
        key: object = call.message_id if call.message_id is not None else ("refused", call.seq)
        if call.message_id is not None:
            self._names[call.message_id] = f"<bot message {len(streams) + 1}>"
        streams[key] = _Stream(head, [state])

    def _state(self, call: Call) -> dict[str, Any]:
        state: dict[str, Any] = {}
        if not _CREATES.match(call.method):
            state["by"] = call.method
        text = call.text
        state |= {"text": _TIP.sub("Tip: <one of many>", self._steady(text))} if text else {}
        for name in ("parse_mode", "reply_markup", "reaction"):
            if call.params.get(name) is not None:
                state[name] = self._named(call.params[name])
        if call.error:
            state["error"] = call.error
            if text.endswith(CURSOR):
                state["text"] = "<what there was>"
        state["plain"] = self._steady(render(text, call.params.get("parse_mode")))
        return state

    def _draft(self, calls: list[Call]) -> Iterator[str]:
        """A draft grows until the message that replaces it is sent; its steps are timing."""
        parts = [render(call.text, call.params.get("parse_mode")) for call in calls]
        broken = [
            (old, new)
            for old, new in pairwise(parts)
            if not new.startswith(old.removesuffix(CURSOR).rstrip())
        ]
        places = {call.place for call in calls}
        yield f"draft of {len(places)} place(s), growing steadily: {not broken}"

    def _params(self, call: Call) -> dict[str, Any]:
        params = {name: self._named(value) for name, value in call.params.items()}
        params.pop("callback_query_id", None)
        params.pop("draft_id", None)
        params.pop("media", None)
        if "media" in call.params:
            params["media"] = [
                {name: item.get(name) for name in ("type", "caption", "parse_mode")}
                for item in call.params["media"]
            ]
        if call.method.casefold() == "getfile":
            params["file_id"] = "<file>"
        if call.files:
            # What a file that is sent is called on the way does not reach people for every kind.
            params["files"] = [
                {"name": self._steady(upload.name), "size": upload.size, "sha": upload.sha256[:12]}
                for upload in call.files
            ]
            params.pop("photo", None)
            for upload in call.files:
                params.pop(upload.field, None)
                if isinstance(params.get("thumbnail"), str):
                    params.pop("thumbnail")
        if call.error:
            params["error"] = call.error
        return params

    def _named(self, value: Any) -> Any:
        """Give ids the names that they have on both sides."""
        if isinstance(value, dict):
            return {key: self._named(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._named(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            if value in self._names:
                return self._names[value]
            return "<place>" if value in {self._scene.chat_id, self._scene.thread_id} else value
        return self._steady(value) if isinstance(value, str) else value

    def _steady(self, text: str) -> str:
        text = text.replace(self._base, "<base>")
        # MarkdownV2 escapes what a path may contain.
        text = text.replace(_escaped(self._base), "<base>")
        for pattern, name in _STEADY:
            text = pattern.sub(name, text)
        return _MESSAGE_ID.sub(self._message, text)

    def _message(self, found: re.Match[str]) -> str:
        return found[1] + self._names.get(int(found[2]), found[2])

    # -- the model

    def _request_lines(self) -> list[str]:
        lines = [f"asks the model also for: {kind}" for kind in self.others]
        for number, request in enumerate(self.chats, 1):
            lines.append(f"request {number} of {request.model}")
            lines += [f"    {line}" for line in self._body(request)]
        return lines

    def _body(self, request: ModelRequest) -> Iterable[str]:
        text = _PROBED.sub("", self._steady(request.body.decode()))
        yield from json.dumps(json.loads(text), indent=1).replace("\\n", "\n").splitlines()
        yield f"as it was sent: {text}"  # last, for whoever reads what differs: it is one long line


def _by_conversation(requests: list[ModelRequest]) -> list[ModelRequest]:
    """Order requests by who asks: how a turn and its helpers alternate is timing."""
    who = list(dict.fromkeys(request.system for request in requests))
    return sorted(requests, key=lambda request: who.index(request.system))


def _grown(states: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the states of a message without those that the next text of it continues."""
    for state, following in zip(states, [*states[1:], None], strict=True):
        partial = state["plain"].removesuffix(CURSOR).rstrip()
        grows = (
            following is not None
            and not state.get("error")
            and not following.get("error")
            # What is still streamed may end inside of a markup, which looks different then.
            and (state["plain"].endswith(CURSOR) or following["plain"].startswith(partial))
            and following.get("reply_markup") == state.get("reply_markup")
            and bool(following["plain"])
        )
        if not grows:
            yield {name: value for name, value in state.items() if name not in {"plain", "by"}}


def _flat(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _escaped(text: str) -> str:
    return re.sub(r"([_*\[\]()~`>#+\-=|{}.!\\])", r"\\\1", text)
