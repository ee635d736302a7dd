"""``test-route --say``: run one real turn, with this terminal instead of the platform.

Without ``--keep``, the turn has a chat of its own, whose id occurs nowhere else. So the turn
touches no existing session, and all it leaves under that id is removed at its end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.base.errors import RelayRefused, RouterError
from hermes_router.cli.inspect.answer import Answer
from hermes_router.cli.inspect.homes import hermes_installed, wrong_interpreter
from hermes_router.cli.status import OK, TURN_FAILED, CommandError
from hermes_router.cli.terminal.output import (
    complain,
    paint,
    say,
    say_fields,
    say_json,
    say_prose,
    tip,
)
from hermes_router.hermes.compat.launching import find_launcher
from hermes_router.hermes.compat.session_keys import session_key
from hermes_router.profiles import model
from hermes_router.profiles.config import SessionScopes
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.protocol.surface import ADAPTER_METHODS
from hermes_router.relay.attachments import Spool
from hermes_router.relay.delivery_policy import Sender, spelled
from hermes_router.relay.prompts import Ask
from hermes_router.routing.table import Place
from hermes_router.turns.ports import TurnServices
from hermes_router.turns.story import OUTCOMES
from hermes_router.turns.turn import Turn
from hermes_router.turns.worker.event_sender import InboundMessage
from hermes_router.workers.code import own_code
from hermes_router.workers.code.running_code import RunningCode
from hermes_router.workers.pool import WorkerPool

#: The methods of platforms that a plain terminal has: text, edits, and showing a file's name.
_METHODS = (
    *("send", "edit_message", "delete_message"),
    *("send_image", "send_image_file", "send_animation", "send_voice", "send_video"),
    *("send_document", "send_typing", "get_chat_info"),
)
_CAPABILITIES = {"MAX_MESSAGE_LENGTH": 4096, "name": "hermes-router test-route"}
_TEXT_PARAMETERS = ("content", "caption")
_USER = "hermes-router-test"
_FORGET_SECONDS = 60


def run(options: argparse.Namespace, answer: Answer) -> int:
    """Have the place's worker answer the text ``options.say``; return the exit status.

    The answer is printed, and with ``--json`` what the worker did. It asks the profile's real
    model.

    Raises:
        CommandError: the gateway itself answers this place, or this Python has no Hermes.
    """
    if answer.profile is None or answer.profile.profile is None:
        raise CommandError(
            "--say cannot run here: the gateway itself answers this place, not a worker"
        )
    if not hermes_installed():
        raise wrong_interpreter()
    logging.getLogger("hermes_router").addHandler(logging.NullHandler())
    if not options.json:
        answer.show_decision()
        answer.show_errors()
        say(f"\n{paint('you', 'bold')}: {options.say}")
    turn = _OneTurn(options, answer, answer.profile.profile)
    with _as_in_a_gateway():
        try:
            asyncio.run(turn.run())
        finally:
            removed = None if options.keep else turn.forget()
    if options.json:
        say_json(answer.fields(turn.fields(removed)))
    else:
        turn.show_end(removed)
    return turn.status


@contextlib.contextmanager
def _as_in_a_gateway() -> Iterator[None]:
    """Have workers start in the block as a gateway with this code would start them."""
    with tempfile.TemporaryDirectory(prefix="hermes-router-") as folder:
        own_code.use(RunningCode(Path(folder), find_launcher))
        try:
            yield
        finally:
            own_code.use(None)


class _Terminal:
    """The terminal as a conversation: it shows what a worker sends, and keeps it for the end."""

    def __init__(
        self, profile: Profile, place: Place, key: str, chat_type: str, *, quiet: bool
    ) -> None:
        self.profile = profile
        self.key = key
        self.sent: list[dict[str, Any]] = []
        self.texts: dict[str, str] = {}
        self._place = place
        self._chat_type = chat_type
        self._quiet = quiet
        self._begun = time.monotonic()

    @property
    def sender(self) -> Sender:
        """Return the profile as the sender."""
        return Sender(profile=self.profile.name, origin=self._place)

    def start_message(
        self, *, turn_id: str, heartbeat: float, linger: float, delivery_scope: msg.DeliveryScope
    ) -> msg.Start:
        """Return the message that tells the worker about the session; times are seconds."""
        methods = {
            name: list(ADAPTER_METHODS[name].params) for name in _METHODS if name in ADAPTER_METHODS
        }
        return msg.Start(
            turn=turn_id,
            session_key=self.key,
            platform=self._place.platform,
            methods=methods,
            capabilities=dict(_CAPABILITIES),
            heartbeat=heartbeat,
            linger=linger,
            delivery_scope=delivery_scope,
        )

    async def execute(
        self,
        method: str,
        args: Mapping[str, Any],
        spool: Spool,
        ask: Ask,  # noqa: ARG002 - a terminal shows no buttons
    ) -> Any:
        """Show what a worker sends; return what a platform would return.

        Raises:
            RelayRefused: a terminal has no such method.
        """
        if method not in _METHODS:
            raise RelayRefused("does not work in a terminal", call=method)
        if method == "send_typing":
            return None
        if method == "get_chat_info":
            return {"name": "test", "type": self._chat_type}
        number = str(args.get("message_id") or len(self.texts) + 1)
        text = "\n".join(str(args[name]) for name in _TEXT_PARAMETERS if args.get(name))
        files = [_described_file(value, spool) for value in args.values()]
        self._note(method, number, text, [file for file in files if file])
        if ADAPTER_METHODS[method].result == "bool":
            return True
        return {"success": True, "message_id": number}

    async def delivery_scope(self, sender: Sender) -> msg.DeliveryScope:  # noqa: ARG002 - only one exists
        """Return where the worker may send: only to this terminal."""
        place = self._place
        here = msg.Place(
            platform=place.platform,
            chat_id=place.chat_id or "",
            thread_id=place.thread_id,
            name="test",
        )
        return msg.DeliveryScope(
            platforms=[place.platform], origin=here, homes=[here], places=[here]
        )

    async def carry(
        self,
        sender: Sender,  # noqa: ARG002 - only one exists
        message: msg.Deliver | msg.React,
        spool: Spool,
    ) -> dict[str, Any]:
        """Show what the worker would send to another place, and to which."""
        number = str(len(self.texts) + 1)
        where = spelled(
            Place(platform=message.platform, chat_id=message.chat_id, thread_id=message.thread_id)
        )
        if isinstance(message, msg.React):
            self._note("react", number, f"to {where}: {message.emoji}", [])
            return {"success": True}
        files = [_described_file({"$file": msgspec.to_builtins(f)}, spool) for f in message.files]
        self._note("deliver", number, f"to {where}: {message.text}", [f for f in files if f])
        return {"success": True, "message_id": number}

    def note_delivered(self, profile: str, sent: list[msg.DeliveredText]) -> None:
        """Do nothing: no later turn needs these texts."""

    def offered(self, offers: msg.Commands) -> None:
        """Do nothing: a terminal has no menu."""

    def worker_ended(self) -> None:
        """Do nothing: a terminal shows no typing."""

    async def notify(self, text: str) -> bool:
        """Show a notice of the gateway; return True."""
        self._note("notice", str(len(self.texts) + 1), text, [])
        return True

    async def tell(self, text: str) -> None:
        """Show a notice, as :meth:`notify` does; nothing is owed."""
        await self.notify(text)

    def note_works(self, turn_id: str, works: Sequence[str]) -> None:
        """Do nothing: the terminal shows at once when work ends."""

    def note_wakeup(self, at: float | None) -> None:
        """Do nothing: no process of a terminal wakes sessions."""

    def _note(self, method: str, number: str, text: str, files: list[str]) -> None:
        before = self.texts.get(number, "")
        if method == "delete_message":
            self.texts.pop(number, None)
        else:
            self.texts[number] = text
        seconds = round(time.monotonic() - self._begun, 3)
        event = {"seconds": seconds, "method": method, "message_id": number, "text": text}
        self.sent.append({**event, "files": files})
        if not self._quiet:
            self._show(seconds, f"{method} #{number}", _shown(method, before, text), files)

    def _show(self, seconds: float, what: str, text: str, files: list[str]) -> None:
        say(paint(f"[{seconds:7.2f} s] {what}", "dim"))
        for line in (*text.splitlines(), *(f"[file {file}]" for file in files)):
            say(f"    {line}")


class _OneTurn:
    def __init__(self, options: argparse.Namespace, answer: Answer, profile: Profile) -> None:
        self._options = options
        self._profile = profile
        self._settings = answer.settings
        self._initial = answer.started_with()[0]
        self._mark = f"router-test-{uuid.uuid4().hex[:12]}"
        place = answer.place
        self._chat_type = options.chat_type or _guessed_chat_type(place)
        if not options.keep:
            place = msgspec.structs.replace(place, chat_id=self._mark)
        self._place = place
        key = _session_key(self._source(), profile, answer)
        self._terminal = _Terminal(profile, place, key, self._chat_type, quiet=options.json)
        # A budget of 0: no worker is prepared, because there is no next turn.
        services = TurnServices(WorkerPool(self._initial, budget=0), self._terminal)
        self._turn = Turn(self._terminal, self._settings, services, received=time.monotonic())

    @property
    def status(self) -> int:
        """The exit status."""
        return TURN_FAILED if self._turn.failure or self._turn.story.report.failed else OK

    async def run(self) -> None:
        """Offer the message to a worker, and return when that worker has ended.

        If this call is cancelled, it returns when the worker was made to end. What came of the turn
        is in the turn.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._turn.run())
            await self._turn.offer(self._inbound())
            await self._turn.answered.wait()
            if not self._turn.ended.is_set() and not self._options.json:
                done = "answered" if self._turn.story.report.outcome == "answered" else "it is over"
                wait = "waiting for the worker to finish (Ctrl-C ends the worker)"
                say_prose("", f"{done}; {wait}")

    def _inbound(self) -> InboundMessage:
        return InboundMessage(
            fields={
                "text": self._options.say,
                "message_type": "text",
                "message_id": "0",
                "timestamp": datetime.now(UTC).isoformat(),
            },
            source=self._source(),
        )

    def _source(self) -> dict[str, Any]:
        place = self._place
        return {
            "platform": place.platform,
            "chat_id": place.chat_id,
            "chat_type": self._chat_type,
            "thread_id": place.thread_id,
            "user_id": place.user_id or (place.chat_id if self._is_real_dm() else _USER),
            "user_name": _USER,
            "guild_id": place.guild_id,
            "scope_id": place.guild_id,
            "parent_chat_id": place.parent_chat_id,
        }

    def _is_real_dm(self) -> bool:
        return bool(self._options.keep) and self._chat_type == "dm"

    def forget(self) -> int | None:
        """Remove what the turn left under its chat's id; return a count, or None if that failed."""
        with tempfile.TemporaryDirectory(prefix="hermes-router-") as folder:
            environment = model.worker_environment(
                self._profile, worker_id=self._mark, tmpdir=Path(folder), initial=self._initial
            )
            try:
                done = subprocess.run(
                    [*own_code.command("hermes_router_worker.home.purge_session"), self._mark],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_FORGET_SECONDS,
                    check=True,
                )
                return int(done.stdout.splitlines()[-1])
            except (OSError, subprocess.SubprocessError, ValueError, IndexError):
                return None

    # -- telling ---------------------------------------------------------------------------------

    def show_end(self, removed: int | None) -> None:
        """Print the times, who answered if it was a fallback, and what became of the session."""
        say("\nseconds from the start to each phase")
        say_fields([(name, f"{seconds:.2f}") for name, seconds in self._turn.phases.items()])
        report, failure = self._turn.story.report, self._turn.failure
        if report.fallback and self.status == OK:
            say(paint(f"answered by the fallback {report.model}", "yellow"))
        if self._options.keep:
            say("the session is kept: it is the place's real session")
        elif removed is None:
            tip(f"the session could not be removed; it belongs to chat {self._mark}")
        else:
            say("the turn's session is removed")
        if failure is None and report.failed:
            failure = RouterError(f"turn {report.turn}: {OUTCOMES[report.outcome]}: {report.error}")
        if failure is not None:
            complain(failure)
            tip(f"the worker log is {self._profile.logs / 'hermes-router-worker.log'}")

    def fields(self, removed: int | None) -> dict[str, Any]:
        """Return what the JSON answer says about the turn."""
        failure, report = self._turn.failure, self._turn.story.report
        return {
            "exit_status": self.status,
            "text": self._options.say,
            "turn": self._turn.id,
            "chat_id": self._place.chat_id,
            "chat_type": self._chat_type,
            "kept": bool(self._options.keep),
            "sessions_removed": removed,
            "sent": self._terminal.sent,
            "messages": list(self._terminal.texts.values()),
            "phases": {name: round(value, 3) for name, value in self._turn.phases.items()},
            "failure": str(failure) if failure is not None else None,
            "outcome": report.outcome,
            "error": report.error or None,
            "model": report.model or None,
            "fallback": report.fallback,
        }


def _session_key(source: Mapping[str, Any], profile: Profile, answer: Answer) -> str:
    scope = asyncio.run(SessionScopes().of(profile))
    try:
        return session_key(source, scope, answer.loaded.home.path)
    except ValueError as error:
        raise CommandError(f"this Hermes does not know the platform: {error}") from error


def _shown(method: str, before: str, text: str) -> str:
    """Return the new part of a text: each edit of a stream repeats the earlier text."""
    if method == "edit_message" and before and text.startswith(before):
        return f"… {text[len(before) :]}" if text != before else "(the same text)"
    return text


def _described_file(value: Any, spool: Spool) -> str:
    """Remove a file that the worker sent from the spool; return its name and size."""
    if not (isinstance(value, dict) and set(value) == {"$file"}):
        return ""
    reference = msgspec.convert(value["$file"], msg.FileRef)
    spool.release(spool.claim(reference))
    return f"{reference.name}, {reference.size} bytes"


def _guessed_chat_type(place: Place) -> str:
    chat = place.chat_id or ""
    if place.platform == "telegram":
        return "group" if chat.startswith("-") else "dm"
    return "thread" if place.thread_id else "group"
