"""`Side`: a running gateway of one kind, and the turns that the probes have it make."""

from __future__ import annotations

import itertools
import json
import re
import resource
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn, Self

from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway, Message, ModelRequest, Reply
from tests.kit.model.directives import tool
from tests.kit.model.types import text_of
from tests.kit.outside.portal import FakePortal
from tests.tools.leaks.row import ProbeError, Row
from tests.tools.leaks.world import ALL_WARM, BOB, DEFAULT, World

ANSWER_SECONDS = 150.0
_LOOK = 0.05
_ATTEMPTS = 4


class Side:
    """One gateway with its servers. `ask` and its kin make real turns of a profile."""

    def __init__(self, name: str, planted: Iterable[Row], *, warm: int = ALL_WARM) -> None:
        self.name = name
        self.planted = planted
        self.warm = warm
        self._marks = itertools.count(1)
        self._lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="leaks-", ignore_cleanup_errors=True)
            )
            self.telegram = stack.enter_context(FakeTelegram())
            self.model = stack.enter_context(FakeModel())
            portal = stack.enter_context(FakePortal())
            base = Path(folder).resolve()
            self.world = World(base, self.name, self.telegram, self.model, portal, warm=self.warm)
            for row in self.planted:
                row.plant(self.world)
            self.world.finish()
            _allow_core_dumps()
            self.gateway = stack.enter_context(Gateway(self.world.root, ordinary_user=True))
            self._wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ensure_running(self) -> None:
        """Start the gateway again if a probe ended it."""
        if not self.gateway.running:
            self.restart()

    def restart(self) -> None:
        """Stop the gateway if it runs, and start it."""
        self.gateway.restart()
        self._wait_ready()

    def _wait_ready(self) -> None:
        """Wait until the launch profile answers, and one that is routed.

        What a multiplexing gateway receives for other profiles while it starts is lost.
        """
        self.gateway.wait_prepared()
        mark = self.mark()
        self.ask(DEFAULT, f"ready? [[say done {mark}]]", contains=f"done {mark}")
        for attempt in range(1, _ATTEMPTS + 1):
            mark = self.mark()
            try:
                self.ask(BOB, f"ready? [[say done {mark}]]", contains=f"done {mark}", timeout=20)
            except TimeoutError:
                if attempt == _ATTEMPTS:
                    raise
            else:
                break

    # -- turns

    def mark(self) -> str:
        """Return a word that no other message has."""
        with self._lock:
            return f"mark-{next(self._marks):04d}"

    def say(self, profile: str, text: str, topic: int | None = None, **origin: Any) -> int:
        """Write in a topic of a profile, a fresh one unless told; return the topic."""
        topic = topic if topic is not None else self.world.fresh_topic(profile)
        self.telegram.say(text, chat_id=FORUM, thread_id=topic, **origin)
        return topic

    def ask(
        self,
        profile: str,
        text: str,
        topic: int | None = None,
        *,
        contains: str = "",
        timeout: float = ANSWER_SECONDS,
        **origin: Any,
    ) -> Message:
        """Write in a topic of a profile and return the first reply there that contains a text."""
        seq = self.telegram.seq
        topic = self.say(profile, text, topic, **origin)
        return self.telegram.wait_reply(FORUM, topic, contains=contains, after=seq, timeout=timeout)

    def turn(
        self,
        profile: str,
        text: str,
        topic: int | None = None,
        *,
        timeout: float = ANSWER_SECONDS,
        **origin: Any,
    ) -> ModelRequest:
        """Have a profile make a turn to its end; return its last request to the model."""
        mark, seen = self.mark(), self.model.seq
        if "[[say" not in text:
            text = f"{text} [[say done {mark}]]"
            origin.setdefault("contains", f"done {mark}")
        self.ask(profile, f"{text} {mark}", topic, timeout=timeout, **origin)
        requests = [r for r in self.model.requests("chat", after=seen) if mark in _users(r)]
        if not requests:
            raise ProbeError(
                f"{profile}'s turn did not reach the model:\n{self.model.listing(seen)}"
            )
        _check_answered_by(profile, requests)
        return requests[-1]

    def call(self, name: str, tool: str, topic: int | None = None, /, **arguments: Any) -> str:
        """Have a profile's agent call a tool; return the result as the model gets it."""
        return self.calls(name, [(tool, arguments)], topic)[0]

    def calls(
        self, profile: str, tools: list[tuple[str, dict[str, Any]]], topic: int | None = None
    ) -> list[str]:
        """Have a profile's agent call tools in one turn; return the results."""
        mark, seen, seq = self.mark(), self.model.seq, self.telegram.seq
        steps = " ".join(tool(name, **arguments) for name, arguments in tools)
        topic = self.say(profile, f"{steps} [[say done {mark}]]", topic)
        self.telegram.wait_reply(
            FORUM, topic, contains=f"done {mark}", after=seq, timeout=ANSWER_SECONDS
        )
        requests = [r for r in self.model.requests("chat", after=seen) if mark in r.last_user]
        _check_answered_by(profile, requests)
        results = max((r.tool_results for r in requests), key=len, default=[])
        if len(results) < len(tools):
            raise ProbeError(f"{profile}'s tools gave {len(results)} results: {results}")
        return results

    def run(self, profile: str, command: str, topic: int | None = None) -> str:
        """Have a profile's agent run a command in its terminal; return the output."""
        result = self.call(profile, "terminal", topic, command=f"{command}; echo ran=$((6*7))")
        output = str(_decoded(result).get("output", ""))
        if "ran=42" not in output:
            raise ProbeError(f"the command did not run: {result[:400]}")
        return output

    def code(self, profile: str, code: str) -> str:
        """Have a profile's agent run Python in `execute_code`; return what it printed."""
        result = self.call(profile, "execute_code", code=f"{code}\nprint('ran=', 6*7)")
        output = str(_decoded(result).get("output", ""))
        if "ran= 42" not in output:
            raise ProbeError(f"the code did not run: {result[:400]}")
        return output

    def inside(self, profile: str, code: str, topic: int | None = None) -> str:
        """Have a profile's plugin tool run code in the agent's process; return its `result`."""
        result = self.call(profile, "inside", topic, code=code)
        found = re.search(r'\{"result": .*\}', result, re.DOTALL)
        if found is None:
            raise ProbeError(f"the plugin tool did not run: {result[:400]}")
        return str(json.loads(found.group())["result"])

    def starts(self) -> Counter[str]:
        """Count the turns of all profiles by how their workers were started: `cold`, `prepared`."""
        logs = self.world.root.path.glob("profiles/*/logs/hermes-router-worker.log*")
        text = "".join(self.read(path) for path in logs)
        return Counter(
            re.findall(r"^\S+ hermes-router \w+ .*?\bstart=(cold|prepared)", text, re.MULTILINE)
        )

    # -- waiting

    def wait(self, condition: Callable[[], object], seconds: float) -> bool:
        """Return True if a condition becomes true within so many seconds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK)
        return True

    def hold(self, contains: str) -> threading.Event:
        """Have the model answer a message only when the event is set: `held` for its `hold`."""
        event = threading.Event()
        answer = contains.replace("hold", "held", 1)
        self.model.script(Reply(answer, hold=event), contains=contains, times=1)
        return event

    def messages_in(self, profile: str, mark: str) -> int:
        """Count the stored messages of a home that hold a mark."""
        path = self.world[profile].path / "state.db"
        if not path.exists():
            return 0
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            query = "SELECT count(*) FROM messages WHERE content LIKE ?"
            return int(database.execute(query, (f"%{mark}%",)).fetchone()[0])

    def unsure(self, why: str) -> NoReturn:
        """Raise ``ProbeError``: the probe cannot tell if something leaked, because of ``why``."""
        raise ProbeError(why)

    def read(self, path: Path) -> str:
        """Return a file's text, empty when there is none."""
        return path.read_text("utf-8", "replace") if path.is_file() else ""


def _allow_core_dumps() -> None:
    """Let what is started from here have core dumps as far as it may: a row looks at that."""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def _check_answered_by(profile: str, requests: Iterable[ModelRequest]) -> None:
    """Raise ProbeError if another profile made a turn: what is not found there proves nothing."""
    foreign = {request.api_key for request in requests} - {f"key-of-{profile}"}
    if foreign:
        raise ProbeError(f"{profile}'s turn was made with {', '.join(sorted(foreign))}")


def _users(request: ModelRequest) -> str:
    return "\n".join(text_of(m) for m in request.messages if m.get("role") == "user")


def _decoded(result: str) -> dict[str, Any]:
    try:
        decoded = json.loads(result)
    except ValueError:
        decoded = None
    return decoded if isinstance(decoded, dict) else {"output": result}


def found(text: str, *marks: str) -> str:
    """Return the marks that a text holds, as the short answer of a probe."""
    return ", ".join(mark for mark in marks if mark in text)
