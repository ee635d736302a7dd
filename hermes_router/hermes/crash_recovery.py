"""Settle the messages that an earlier gateway left open when it was killed or stopped.

A message is settled when nothing more is to be done for it. The ledger says how far each had come.
An answered message is settled at once. A message that no worker had begun is served now. For every
other message, a notice in the chat quotes it: work that was perhaps done must not be done twice. If
the reply is in the profile's own ledger of replies, Hermes sends it, and there is no notice.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import anyio

from hermes_router.base.errors import ProfileError
from hermes_router.base.tasks import in_thread
from hermes_router.hermes.compat.events import event_again, event_to_go_on, place_of
from hermes_router.hermes.compat.seams import (
    command_rules,
    gateway_runner,
    message_sources,
    sending,
)
from hermes_router.hermes.compat.seams.sending import Sent
from hermes_router.jobs.maintenance import owed_replies
from hermes_router.observe.book import TurnBook
from hermes_router.profiles.model import Profile
from hermes_router.protocol.delivered import name_of
from hermes_router.protocol.messages import DeliveredText
from hermes_router.state import kept_event
from hermes_router.state.delivered import DeliveredTexts
from hermes_router.state.kept_event import KeptEvent
from hermes_router.state.ledger import Entry, Step
from hermes_router.state.open_works import OpenWorks, Works
from hermes_router.turns.notices import cut_off, ended_works

logger = logging.getLogger(__name__)

_WENT = "its gateway stopped or was interrupted"

#: Seconds after which a message is no longer served, and after which there is no notice about it.
_TOO_OLD_TO_SERVE, _TOO_OLD_TO_TELL = 3600.0, 48 * 3600.0

#: Seconds after which a message that Hermes has not handed on to the router is told of.
_SEEN_SECONDS = 900.0

#: Seconds after which a turn whose session was busy is handed over again; each pause is twice as
#: long, up to the second.
_BUSY_SECONDS = 5.0
_LONGEST_PAUSE = 60.0

#: How far a message had come, for its record.
_HOW_FAR = {
    Step.ACCEPTED: "it was not begun, and could not be served after the restart",
    Step.BEGUN: "the model had been asked",
    Step.SAID: "a part of the answer had been sent",
    Step.STALLED: "it is not known whether the answer arrived",
    Step.CUT_OFF: "a stop interrupted it, and it could not be continued after the restart",
    Step.RESUMED: "it was continued after a restart, and interrupted again",
}

#: Seconds by which the clocks of two processes may differ.
_SLACK = 1.0


class CrashRecovery:
    """Settles the messages of one gateway's ledger that an earlier gateway left open.

    ``entries`` are these messages. ``find`` returns the profile with a name. ``routed`` returns the
    name of the profile that a source is routed to now, or None. ``pays`` has a maintenance worker
    send a profile's unsent replies, and returns False if the setting ``jobs.upkeep`` is off.
    ``book`` gets a record of each message that a notice tells of.
    """

    def __init__(
        self,
        runner: Any,
        entries: Iterable[Entry],
        delivered: DeliveredTexts,
        *,
        find: Callable[[str], Profile],
        routed: Callable[[Any], str | None],
        pays: Callable[[Profile], bool],
        book: TurnBook,
    ) -> None:
        self._runner = runner
        self._delivered = delivered
        self._find = find
        self._routed = routed
        self._pays = pays
        self._book = book
        #: By session and by the profile whose own bot it is with: another bot may be connected.
        self._open: dict[tuple[str, str, object], list[Entry]] = defaultdict(list)
        for entry in entries:
            if not self._settled(entry):
                bot = entry.source.get("profile")
                self._open[entry.profile, entry.session, bot].append(entry)

    def _settled(self, entry: Entry) -> bool:
        """Settle a message that was answered, so that its reply is not sent a second time.

        A reply whose sending had begun counts as delivered: nearly all such replies had arrived
        when the gateway died.
        """
        if entry.step not in {Step.ANSWERED, Step.TRYING}:
            return False
        self._note_delivered(entry, entry.names)
        self._forget(entry)
        return True

    def _note_delivered(self, entry: Entry, names: Iterable[str]) -> None:
        until = time.time()
        texts = [DeliveredText(name=name, since=entry.at, until=until) for name in names if name]
        self._delivered.add(entry.profile, texts)

    def _forget(self, entry: Entry) -> None:
        entry.settle()
        try:
            kept_event.forget(self._find(entry.profile).home, entry.id)
        except ProfileError:
            logger.debug(
                "profile %s does not exist any more, so its unfinished messages are lost",
                entry.profile,
            )

    async def run(self) -> None:
        """Wait until the gateway runs, then settle the messages of each session in their order.

        The router starts this as a task, once. It ends when all are settled.
        """
        await gateway_runner.until_running(self._runner)
        async with anyio.create_task_group() as tasks:
            for entries in self._open.values():
                tasks.start_soon(self._recover, entries)

    async def _recover(self, entries: list[Entry]) -> None:
        """Settle the messages of one session in their order.

        The bot of their place must be connected for each of them. Until it is, nothing is decided.
        If the gateway stops meanwhile, that is left to the next one. How old they are is measured
        when the bot is connected first: one that waits for those before it grows no older.
        """
        since = None
        for entry in entries:
            if _age(entry) > _TOO_OLD_TO_TELL:  # also of a platform that is not known any more
                self._forget(entry)
                continue
            try:
                with anyio.move_on_after(_TOO_OLD_TO_TELL - _age(entry)):
                    source = message_sources.source_of(entry.source)
                    if not await sending.until_connected(self._runner, source):
                        return
                since = since or time.time()
                await self._settle(entry, young=since - entry.at < _TOO_OLD_TO_SERVE)
            except Exception:
                logger.exception("hermes-router: a message of %s could not be recovered", entry.at)

    async def _settle(self, entry: Entry, *, young: bool) -> None:
        """Serve one message, continue its turn, or tell its place what became of it.

        One that is not ``young`` is too old for the first two.
        """
        kept = await in_thread(self._kept, entry)
        served = False
        if young and self._may_go_on(entry):
            if entry.step is Step.CUT_OFF:
                served = await self._go_on(entry)
            elif entry.step is Step.ACCEPTED and kept is not None and not kept.files:
                served = await self._serve(entry, kept)
        if not served and (
            await self._hermes_answers(entry)
            or _age(entry) > _TOO_OLD_TO_TELL
            or await self._tell(entry, kept.text if kept is not None else "")
        ):
            self._forget(entry)

    async def _tell(self, entry: Entry, words: str) -> bool:
        """Record that a message with these words was lost, and tell its place so.

        Returns False if nothing arrived there: then the next gateway tells it.
        """
        source, how_far = message_sources.source_of(entry.source), _HOW_FAR.get(entry.step, "")
        turn_id = self._book.cut_off(entry.turn, entry.profile, place_of(source), how_far)
        text = cut_off(words, turn_id, begun=entry.step is Step.SAID)
        seconds = _TOO_OLD_TO_TELL - _age(entry)
        sent = await sending.send_in_the_end(self._runner, source, text, seconds=seconds)
        return sent is not Sent.LATER

    def _kept(self, entry: Entry) -> KeptEvent | None:
        try:
            return kept_event.read(self._find(entry.profile).home, entry.id)
        except ProfileError:
            return None

    def _may_go_on(self, entry: Entry) -> bool:
        """Say whether to work on a message: its route and its sender's rights are unchanged."""
        source = message_sources.source_of(entry.source)
        routed = self._routed(source) == entry.profile
        return routed and command_rules.authorized(self._runner, source)

    async def _serve(self, entry: Entry, kept: KeptEvent) -> bool:
        """Hand a message to its adapter as if it had just come, and wait for its outcome.

        Returns False if nobody serves it.
        """
        logger.info(
            "hermes-router: a message of profile %s from before the restart is answered now",
            entry.profile,
        )
        source = message_sources.source_of(entry.source)
        event = event_again(kept.fields, source, entry.id)
        return await self._hand_over(entry, event)

    async def _go_on(self, entry: Entry) -> bool:
        """Have the session continue a turn that a stop of the gateway cut off, as Hermes does.

        If the turn had ended and only its reply is unsent, the session's worker sends the reply. If
        a message that came first has continued it, the worker does nothing. Returns False if the
        turn may not be continued any more.
        """
        logger.info("hermes-router: a turn of profile %s is continued", entry.profile)
        event = event_to_go_on(message_sources.source_of(entry.source), entry.id)
        return await self._hand_over(entry, event)

    async def _hand_over(self, entry: Entry, event: Any) -> bool:
        """Hand an event to its adapter until the router takes it, and wait for the outcome.

        A session that serves another message takes no turn that is to go on, so the event is handed
        over again later, until it is too old to be told of. Returns False if nobody took it. If the
        gateway stops, this returns True, and the next gateway finds the entry as it is.
        """
        pause = _BUSY_SECONDS
        while await sending.until_connected(self._runner, event.source):
            if not self._may_go_on(entry) or _age(entry) > _TOO_OLD_TO_TELL:
                return False
            entry.seen = anyio.Event()
            await sending.adapter_for(self._runner, event.source).handle_message(event)
            with anyio.move_on_after(_SEEN_SECONDS):
                await entry.seen.wait()
            if entry.taken:
                await entry.outcome.wait()
                self._forget(entry)
                return True
            if not entry.seen.is_set():
                return False
            await anyio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return True

    async def _hermes_answers(self, entry: Entry) -> bool:
        """Say whether Hermes will send the reply, which lies in the profile's own ledger.

        If no job would look there before the profile's next turn, the reply is marked as delivered:
        it is not sent any more, and the caller sends a notice instead.
        """
        if entry.step is Step.ACCEPTED:
            return False
        try:
            profile = self._find(entry.profile)
        except ProfileError:
            return False
        since = entry.at - _SLACK
        rows = await in_thread(owed_replies, profile.home, entry.session, since)
        if rows and self._pays(profile):
            return True
        named = [
            name_of(str(p), str(c), None if t is None else str(t), str(x)) for p, c, t, x in rows
        ]
        self._note_delivered(entry, named)
        return False


def _age(entry: Entry) -> float:
    """Return how many seconds ago a message was accepted."""
    return time.time() - entry.at


async def tell_works(runner: Any, open_works: OpenWorks, left: Iterable[Works]) -> None:
    """Wait until the gateway runs, then tell conversations which background work has ended.

    It ended because the gateway before this one was killed or stopped. Each note in ``left`` stays
    in ``open_works``, on the disk, until its conversation is told. Of what ended more than 48 hours
    ago nobody is told: of background work that is as old, Hermes itself reports nothing after a
    restart.
    """
    await gateway_runner.until_running(runner)
    async with anyio.create_task_group() as tasks:
        for ended in left:
            tasks.start_soon(_tell_works, runner, open_works, ended)


async def _tell_works(runner: Any, open_works: OpenWorks, ended: Works) -> None:
    logger.warning(
        "turn %s: background work that ended with the gateway: %s",
        ended.turn,
        "; ".join(ended.works),
    )
    text = ended_works(ended.works, _WENT, ended.turn)
    seconds = _TOO_OLD_TO_TELL - (time.time() - ended.at)
    if seconds <= 0:
        open_works.note(ended.turn, ended.source, ())
        return
    try:
        source = message_sources.source_of(ended.source)
        sent = await sending.send_in_the_end(runner, source, text, seconds=seconds)
    except Exception:
        logger.exception("turn %s: its conversation could not be told", ended.turn)
        return
    if sent is not Sent.LATER:
        open_works.note(ended.turn, ended.source, ())
