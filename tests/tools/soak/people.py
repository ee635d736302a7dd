"""The people of a soak: they write, wait for the outcome, pause, and write again."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from pathlib import Path

from tests.kit import FakeModel, FakeTelegram, Message
from tests.kit.state.files import PICTURE
from tests.tools.soak.plan import Plan
from tests.tools.soak.said import LINE, Conversation, Said, some_kind

_TICK = 0.1

#: What a person says who is asked whether a tool may run.
_ANSWERS = ("Allow Once", "Deny")

#: Calls after which a message reads differently.
_WRITES = ("sendMessage", "editMessageText")


class People:
    """All conversations of a run. One thread drives them."""

    def __init__(
        self, telegram: FakeTelegram, model: FakeModel, plan: Plan, talks: list[Conversation]
    ) -> None:
        self.telegram = telegram
        self._model = model
        self._plan = plan
        self.talks = talks
        self._chance = random.Random(plan.seed)
        self._looked = telegram.seq
        self._lines: defaultdict[int, set[int]] = defaultdict(set)
        self._follow: dict[str, Conversation] = {}
        """Conversations with a second message to write, by the mark of the first one."""
        self._asked = model.seq
        for talk in talks:
            talk.next_at = time.monotonic() + self._chance.uniform(0, plan.pause)

    @property
    def count(self) -> int:
        """How many messages were sent."""
        return sum(len(talk.said) for talk in self.talks)

    @property
    def open(self) -> list[Said]:
        """The messages without an outcome."""
        return [said for talk in self.talks for said in talk.open]

    def _due(self) -> list[Said]:
        """Return the open messages that may get their outcome yet; the others met silence."""
        oldest = time.monotonic() - self._plan.outcome_seconds
        return [said for said in self.open if said.at > oldest]

    def talk(self, until: float) -> None:
        """Write, and note outcomes, until a moment."""
        while (now := time.monotonic()) < until:
            self._look()
            for talk in self.talks:
                if not talk.open and now >= talk.next_at:
                    self._write(talk, some_kind(self._chance))
            time.sleep(_TICK)

    def listen(self) -> None:
        """Write no more, and wait for the outcomes that may come yet."""
        while self._due():
            self._look()
            time.sleep(_TICK)

    def hush(self, seconds: float) -> None:
        """Write no more for a moment, in which a second outcome would come."""
        self._follow.clear()
        time.sleep(seconds)
        self._look()

    def wait_accepted(self, ledger: Path) -> None:
        """Write no more, and wait until the gateway's ledger has each open message.

        What still lies in Hermes's adapter when the gateway is killed, nobody can know of.
        """
        self._follow.clear()
        deadline = time.monotonic() + self._plan.outcome_seconds
        while time.monotonic() < deadline:
            self._look()
            known = accepted_in(ledger)
            if all(is_accepted(talk, known) for talk in self.talks):
                return
            time.sleep(_TICK)

    # -- writing ---------------------------------------------------------------------------------

    def _write(self, talk: Conversation, kind: str) -> None:
        now = time.monotonic()
        said = talk.new(kind, now)
        talk.next_at = now + self._chance.uniform(0, self._plan.pause)
        if kind == "picture":
            self.telegram.say_photo(PICTURE, said.words, chat_id=talk.chat)
        else:
            self.telegram.say(said.words, chat_id=talk.chat)
        if kind == "followed":
            self._follow[said.mark] = talk

    def _write_what_follows(self) -> None:
        """Write the second message of each turn that is at work now.

        The platform's adapter would make one message of two that come at once.
        """
        for request in self._model.requests("chat", after=self._asked):
            self._asked = request.seq
            for mark in [mark for mark in self._follow if f"{mark} " in request.last_user]:
                self._write(self._follow.pop(mark), "plain")

    # -- outcomes --------------------------------------------------------------------------------

    def _look(self) -> None:
        """Note what has its outcome since the last look, and write what follows upon it."""
        self._write_what_follows()
        calls = self.telegram.calls(*_WRITES, after=self._looked)
        if not calls:
            return
        self._looked = calls[-1].seq
        by_chat = {talk.chat: talk for talk in self.talks}
        for number in {call.message_id for call in calls if call.error is None}:
            message = self.telegram.message(number or 0)
            if (talk := by_chat.get(message.chat_id)) is not None:
                self._note(talk, message)

    def _note(self, talk: Conversation, message: Message) -> None:
        if message.id not in talk.prompts and _asks(message):
            talk.prompts.add(message.id)
            if message.buttons:
                self.telegram.click(message, self._chance.choice(_ANSWERS))
            else:
                self.telegram.say("/deny", chat_id=talk.chat)
        if message.id in talk.prompts:
            return
        if message.text.startswith(LINE):
            if message.id not in self._lines[talk.number]:
                self._lines[talk.number].add(message.id)
                self._settle(_meant(talk, message.text))
            return
        self._settle(next((said for said in talk.open if said.answer in message.text), None))

    def _settle(self, said: Said | None) -> None:
        if said is not None:
            said.outcome_at = time.monotonic()


def _asks(message: Message) -> bool:
    """Say whether a message asks a person; without buttons if the platform refused those."""
    return bool(message.buttons) or "/approve" in message.text


def _meant(talk: Conversation, line: str) -> Said | None:
    """Return the message that a line is about: the one that it quotes, or the oldest open one."""
    quoted = next((said for said in talk.said if f"{said.mark} " in line), None)
    return quoted or next(iter(talk.open), None)


def accepted_in(ledger: Path) -> list[tuple[str, float]]:
    """Return the chat and the time of each message that a ledger has."""
    text = ledger.read_text() if ledger.exists() else ""
    lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    return [(str(x["source"]["chat_id"]), x["at"]) for x in lines if x.get("source")]


def is_accepted(talk: Conversation, accepted: list[tuple[str, float]]) -> bool:
    """Return whether the open messages of a conversation are among the accepted ones."""
    if not talk.open:
        return True
    since = talk.open[0].clock
    return sum(chat == str(talk.chat) and at >= since for chat, at in accepted) >= len(talk.open)
