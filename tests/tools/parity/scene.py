"""What a scenario plays with: the users of one place, the platform and the model of one side."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.kit import FORUM, Call, Message, ModelRequest, Reply
from tests.tools.parity.sides import Side

WAIT_SECONDS = 120.0
STRANGER = 666
ASIDE = 1_999
"""The topic in which no scenario plays."""

_READING_SECONDS = 0.4
_BEHIND_SECONDS = 30.0
_MOVED = re.compile(rb"yielded_to_background.{0,40}?(proc_[0-9a-f]+)")
_ATTEMPTS = 5


@dataclass
class Scene:
    """One place of one side, and what happened there since the scenario began."""

    side: Side
    chat_id: int
    thread_id: int | None
    user_id: int
    begin: int = 0
    """Sequence number of the last platform call before the scenario."""
    asked: int = 0
    """The same for the model."""
    mark: int = 0
    """Sequence number of the last call before the newest action: answers are newer."""
    said: list[int] = field(default_factory=list)
    """Ids of the users' messages."""
    notes: list[str] = field(default_factory=list)
    """What else is compared."""

    def __post_init__(self) -> None:
        self.begin = self.mark = self.telegram.seq
        self.asked = self.model.seq

    @property
    def telegram(self) -> Any:
        """The platform."""
        return self.side.telegram

    @property
    def model(self) -> Any:
        """The model's server."""
        return self.side.model

    @property
    def workspace(self) -> Path:
        """Where the profile's tools run."""
        return self.side.workspace

    # -- what users do

    def say(self, text: str, *, at_once: bool = False, **origin: Any) -> int:
        """Write a text; returns the message id. People read first, unless they do it `at_once`."""
        if not at_once:
            self._read()
        return self._did(lambda **where: self.telegram.say(text, **where), origin)

    def send(self, kind: str, data: bytes, name: str, mime_type: str, caption: str = "") -> int:
        """Send a file of this kind (`photo`, `voice`, `sticker`, ...)."""
        return self._did(
            lambda **where: self.telegram.say_file(kind, data, name, mime_type, caption, **where),
            {},
        )

    def album(self, photos: Iterable[bytes], caption: str = "") -> None:
        """Send several pictures as one album."""
        self.mark = self.telegram.seq
        self.said += self.telegram.say_album(photos, caption, **self._where())

    def edit(self, message_id: int, text: str) -> None:
        """Edit a message of the user."""
        self.mark = self.telegram.seq
        self.telegram.edit(message_id, text)

    def click(self, message: Message, button: str, user_id: int | None = None) -> str:
        """Click a button; returns what is shown to the one who clicked."""
        self._read()
        self.mark = self.telegram.seq
        query = self.telegram.click(message, button, user_id=user_id or self.user_id)
        answer = self.telegram.wait_call(
            "answerCallbackQuery", callback_query_id=query, timeout=WAIT_SECONDS
        )
        return str(answer.params.get("text", ""))

    def _read(self) -> None:
        """Take people's time: a message is there before the gateway knows that it is."""
        self.telegram.wait_idle(quiet=_READING_SECONDS, timeout=WAIT_SECONDS)

    def _did(self, act: Callable[..., int], origin: dict[str, Any]) -> int:
        self.mark = self.telegram.seq
        message_id = act(**(self._where() | origin))
        self.said.append(message_id)
        return message_id

    def _where(self) -> dict[str, Any]:
        return {"chat_id": self.chat_id, "thread_id": self.thread_id, "user_id": self.user_id}

    # -- what they wait for

    def answer(self, contains: str = "", after: int | None = None, **conditions: Any) -> Message:
        """Return the first complete message of the bot with this text since the last action."""
        found: Message = self.telegram.wait_reply(
            self.chat_id,
            self.thread_id,
            contains=contains,
            after=self.mark if after is None else after,
            timeout=WAIT_SECONDS,
            **conditions,
        )
        return found

    def ask(self, text: str, contains: str = "", **origin: Any) -> Message:
        """Write a text and return the answer."""
        self.say(text, **origin)
        return self.answer(contains)

    def prompt(self, text: str, contains: str = "") -> Message:
        """Write a text and return the message with buttons that it leads to."""
        self.say(text)
        return self.answer(contains, where=lambda message: bool(message.buttons))

    def call(self, *methods: str, where: Callable[[Call], bool] = lambda call: True) -> Call:
        """Return the first call of one of these methods since the last action."""
        wanted = {method.casefold() for method in methods}
        found: Call = self.telegram.wait_for(
            lambda call: call.method.casefold() in wanted and where(call),
            timeout=WAIT_SECONDS,
            after=self.mark,
        )
        return found

    def request(self, contains: str = "", *, done: bool = False) -> ModelRequest:
        """Return the first request of the scenario for a text of the user."""
        found: ModelRequest = self.model.wait_chat(
            contains, timeout=WAIT_SECONDS, after=self.asked, done=done
        )
        return found

    def script(self, reply: Any, contains: str, times: int | None = 1) -> None:
        """Have the model answer a text of this scenario so."""
        self.model.script(reply, contains=contains, times=times)

    def until(self, condition: Callable[[], bool], failure: str) -> None:
        """Wait for something that nothing tells of. Raises TimeoutError with the text."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(failure)
            time.sleep(0.02)

    def rest(self) -> None:
        """Wait until what was sent last is over also for the gateway, though a prompt is open."""
        self.telegram.wait_idle(quiet=2.5, timeout=WAIT_SECONDS)

    def settle(self) -> None:
        """Wait until nothing goes on any more."""
        self.side.wait_settled(WAIT_SECONDS)
        if self._moved_behind():
            self._ends_are_told()
            self.side.wait_settled(WAIT_SECONDS)

    def _ends_are_told(self) -> None:
        """Wait until the model knows the end of what runs behind; it may have been stopped."""
        deadline = time.monotonic() + _BEHIND_SECONDS
        while self._moved_behind() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _moved_behind(self) -> set[bytes]:
        """Return the commands whose end the model is still to be told.

        From Hermes 0.22 on, a command goes on in the background if a message comes while it runs.
        """
        bodies = [request.body for request in self.model.requests(after=self.asked)]
        moved = {number for body in bodies for number in _MOVED.findall(body)}
        return {n for n in moved if not any(b"Background process " + n in body for body in bodies)}

    def restart(self, meanwhile: Callable[[], object]) -> None:
        """Stop the gateway, do something, and start it again."""
        self.side.gateway.stop()
        meanwhile()
        self.side.gateway.start()
        self.greet()

    def greet(self) -> None:
        """Have the gateway answer elsewhere: one that has just started drops messages."""
        bot = self.telegram.world.bot(self.telegram.token).username
        aside = Scene(self.side, FORUM, ASIDE, self.user_id)
        for attempt in range(1, _ATTEMPTS + 1):
            aside.say(f"@{bot} warm up {attempt}")
            try:
                self.telegram.wait_reply(
                    FORUM, ASIDE, contains="warm up", after=aside.mark, timeout=30
                )
                break
            except TimeoutError:
                if attempt == _ATTEMPTS:
                    raise
        aside.settle()

    # -- what is there

    def note(self, *lines: str) -> None:
        """Have lines compared that neither the platform nor the model was sent."""
        self.notes += lines

    def file(self, name: str, data: bytes | str = "precious") -> Path:
        """Put a file into the profile's workspace."""
        path = self.workspace / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        path.chmod(0o600)
        return path


def hold(text: str, event: Any, after: int) -> Reply:
    """Return a streamed answer that stops after so many chunks until the event is set."""
    return Reply(text, hold=event, hold_after=after)
