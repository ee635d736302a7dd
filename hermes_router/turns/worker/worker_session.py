"""Handle the messages of one worker, from its hello on, and keep the worker's state."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import anyio
import anyio.abc

from hermes_router.base.errors import ProtocolError, WorkerDied, WorkerStartError, WrongVersion
from hermes_router.base.tasks import in_thread
from hermes_router.config.settings import Settings
from hermes_router.protocol import messages as msg
from hermes_router.protocol.delivered import name_of
from hermes_router.relay import attempts
from hermes_router.relay.attachments import Spool
from hermes_router.relay.prompts import Ask, OpenPrompts, Send
from hermes_router.state.delivered import SentTexts
from hermes_router.turns.notifier import Notifier
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.turns.story import Story
from hermes_router.turns.worker.answer_attempt import AnswerAttempt
from hermes_router.turns.worker.event_sender import EventOffers
from hermes_router.turns.worker.rpc_server import RpcServer
from hermes_router.turns.worker.watchdog import Watchdog
from hermes_router.turns.worker.worker_state import Step, WorkerState, after, step_of
from hermes_router.workers.process import WorkerProcess
from hermes_router.workers.turn_log import TurnLog
from hermes_router.workers.worker_log import one_line

#: Calls that show no text to people.
_SILENT_CALLS = frozenset(
    {"send_typing", "stop_typing", "pause_typing_for_chat", "resume_typing_for_chat"}
)


async def greet(worker: WorkerProcess, profile: str) -> msg.Hello:
    """Wait for the first message of a new worker, its hello, and return it.

    Raises:
        WorkerStartError: the worker ended before it sent a hello.
        WrongVersion: the worker speaks another version of the protocol.
        ProtocolError: its first message is no hello, or names another profile.
    """
    async for message in worker.messages():
        if not isinstance(message, msg.Hello):
            raise ProtocolError(f"the worker began with {_op(message)}, not with hello")
        _check(message, profile)
        return message
    raise WorkerStartError("the worker ended before it said hello")


def _check(hello: msg.Hello, profile: str) -> None:
    if hello.protocol != msg.PROTOCOL_VERSION:
        raise WrongVersion(
            f"the worker speaks protocol {hello.protocol}, this gateway {msg.PROTOCOL_VERSION}",
            hint="hermes-router was updated: restart the gateway",
        )
    if hello.profile != profile:
        raise ProtocolError(f"the worker says that it is {one_line(repr(hello.profile), 100)}")


def _succeeded(value: Any) -> bool:
    return isinstance(value, dict) and bool(value.get("success"))


class WorkerSession:
    """Handles all messages of one worker: executes its calls, and follows its state.

    Attributes:
        answered: set when the reply is delivered and the state saved. When the worker accepts a
            further message, this is a new event.
        sending: True from when the gateway begins to send the end of a reply until that reply is
            recorded, or the model is asked again.

    ``else_noted`` handles a message that only this kind of turn expects, and returns False for any
    other message.
    """

    def __init__(
        self,
        conversation: Conversation,
        settings: Settings,
        services: TurnServices,
        *,
        turn_id: str,
        log: TurnLog,
        story: Story,
        send: Send,
        else_noted: Callable[[msg.FromWorker], bool],
    ) -> None:
        self.state = WorkerState.STARTING
        self.answered = anyio.Event()
        self.sending = False
        self.receiver = EventOffers(lambda: self.state.takes_messages)
        self.watch = Watchdog(settings)
        self.telling = Notifier(conversation, turn_id)
        self.sent = SentTexts()
        self.prompts = OpenPrompts(services.registry, send, conversation.notify)
        self._conversation = conversation
        self._settings = settings
        self._delivery = services.delivery
        self._sends = services.sends
        self._workers = services.workers
        self._turn_id = turn_id
        self._log = log
        self._story = story
        self._else_noted = else_noted
        self._calls: RpcServer | None = None
        #: Whether the last run of the model was stopped before its end.
        self._interrupted = False

    async def keep_watch(self) -> None:
        """Compare the worker's times with its limits, again and again, until it exceeds one.

        The turn cancels this when the worker has ended.

        Raises:
            WorkerTimeout: the worker was silent, did not get ready, or took too long.
        """
        while True:
            await anyio.sleep(self.watch.step)
            held_up = self._calls is not None and self._calls.held_up
            self.watch.check(self.state, held_up=held_up)

    async def serve(self, worker: WorkerProcess, spool: Spool) -> None:
        """Handle the worker's messages until it closes its end.

        The turn calls this when the worker has sent its hello.

        Raises:
            ProtocolError: the worker sent a message that it may not send, or not in this state.
            WorkerDied: the worker reported that it failed.
            WorkerOverLimit: the worker sent more than ``limits.output_bytes``.
        """
        async with anyio.create_task_group() as tasks:
            do = functools.partial(self._do, spool=spool)
            take = functools.partial(self._take, spool=spool, tasks=tasks)
            self._calls = RpcServer(
                do, worker, turn_id=self._turn_id, noted=self._note_call, take=take
            )
            await self._calls.serve(tasks)

    async def _take(
        self, message: msg.FromWorker, *, spool: Spool, tasks: anyio.abc.TaskGroup
    ) -> None:
        """Handle a message that is no call."""
        self.watch.heard()
        if isinstance(message, msg.Chunk):
            await in_thread(spool.append, message)
        elif isinstance(message, msg.BackgroundWork):
            self.telling.note_works(message.works)
        elif isinstance(message, msg.NextWakeup):
            self._conversation.note_wakeup(message.at)
        elif isinstance(message, msg.Progress):
            self.receiver.taken.progress(done=message.done, waiting=message.waiting)
        elif isinstance(message, msg.Commands):
            self._conversation.offered(message)
        elif isinstance(message, msg.LimitReached):
            allowed = self._settings.limits.open_files
            tasks.start_soon(self.telling.say_of, message, allowed)
        else:
            self._note(message)

    def _note_call(self, call: msg.Request, said_bytes: int) -> None:
        """Note a call; ``said_bytes`` are the bytes of all calls so far."""
        self.watch.heard()
        silent = isinstance(call, msg.Call) and call.method in _SILENT_CALLS
        if not (silent or isinstance(call, msg.ModelRequest)):
            self.watch.said()
        self.watch.check_output(said_bytes)

    async def _do(self, call: msg.Request, spool: Spool) -> Any:
        if isinstance(call, msg.ModelRequest):
            self._note_model_request(call.upto)
            return None
        if isinstance(call, msg.Call):
            with self._sends.follow(self._name_of(call) if call.method == "send" else "") as send:
                ask = functools.partial(self.prompts.ask, call.id)
                value = await self._executed(call, spool, ask)
                send.arrived = _succeeded(value)
        elif isinstance(call, msg.Deliver) and await self._sends.arrived(call):
            value = {"success": True, "message_id": None}
        else:
            value = await self._delivery.carry(self._conversation.sender, call, spool)
        self.sent.note(call, value, self._conversation.sender.origin)
        return value

    async def _executed(self, call: msg.Call, spool: Spool, ask: Ask) -> Any:
        """Call the adapter, and note for the worker's messages whether their answer was sent."""
        taken = self.receiver.taken
        if not call.answers:
            value = await self._conversation.execute(call.method, call.args, spool, ask)
            failed = isinstance(value, dict) and value.get("success") is False
            if call.method not in _SILENT_CALLS and not failed:
                taken.said()
            return value
        answer, success = AnswerAttempt(taken, call.answers, self._name_of(call)), False
        self.sending = True
        try:
            with attempts.followed_by(answer):
                value = await self._conversation.execute(call.method, call.args, spool, ask)
            success = _succeeded(value)
        finally:
            answer.over(success=success)
        return value

    def _name_of(self, call: msg.Call) -> str:
        """Return the name of the text that a call sends, the same as in the worker's ledger."""
        here, text = self._conversation.sender.origin, str(call.args.get("content", ""))
        if here is None:
            return ""
        return name_of(here.platform, here.chat_id or "", here.thread_id, text)

    def _note(self, message: msg.FromWorker) -> None:
        self._move(step_of(message))
        match message:
            case msg.Accepted() | msg.Refused() | msg.Handled():
                self._settle(message)
            case msg.Idle():
                self._note_reply(cut_off=message.cut_off)
            case msg.Draining():
                self.prompts.end()
                self.watch.released()
            case msg.Resolved() | msg.Closed():
                self.prompts.note(message)
            case msg.Ready(phases=steps):
                self._log.ready(steps)
            case msg.RunResult():
                self._interrupted = message.outcome == "interrupted"
                self._story.ran(message)
            case msg.Failed(error=error, traceback=text):
                raise WorkerDied(f"the worker failed: {one_line(error)}", detail=text)
            case msg.Heartbeat():
                pass
            case _ if not self._else_noted(message):
                raise ProtocolError(
                    f"the worker sent {_op(message)} in a state in which it is not allowed"
                )

    def _move(self, step: Step | None) -> None:
        """Go to the state after a step, and set or renew ``answered`` to fit the state."""
        self.state = self.state if step is None else after(self.state, step)
        if self.state.answered:
            self.answered.set()
        elif self.answered.is_set() and self.state is not WorkerState.GONE:
            self.answered = anyio.Event()

    def _note_model_request(self, upto: int) -> None:
        """Note that the model is asked now for the messages up to this number."""
        self.sending = self._interrupted = False
        self._log.reached("model_request")
        self._story.reached("model_request")
        self._workers.works(self._conversation.profile)
        self.receiver.taken.begun(upto)

    def _settle(self, message: msg.Accepted | msg.Refused | msg.Handled) -> None:
        self.receiver.note_decision(message)
        if isinstance(message, msg.Accepted):
            self._story.accepted()

    def _note_reply(self, *, cut_off: bool) -> None:
        """Note that all messages are answered, or that the gateway's stop ``cut_off`` them."""
        self.sending = False
        self._workers.works(self._conversation.profile)
        self._log.reached("reply")
        self._story.reached("reply")
        self.watch.released()
        self.watch.said()
        if cut_off:
            self.receiver.taken.cut_off(interrupted=self._interrupted)
        else:
            self.receiver.taken.all_done()
        self._story.replied(self._log.phases, cut_off=cut_off)

    def hush(self) -> WorkerState:
        """Handle no more messages of the worker: offer it nothing, and close its prompts.

        The turn calls this when the worker ends. Returns the worker's state at its last message.
        Callers that wait for its answer go on waiting until :meth:`let_go`.
        """
        last, self.sending = self.state, False
        self._move(Step.ENDS)
        self.prompts.end()
        return last

    def let_go(self) -> None:
        """Set ``answered``, so that callers which wait for it go on: no answer will come.

        The turn calls this last, when the notices are sent.
        """
        self.answered.set()


def _op(message: msg.Message) -> str:
    return type(message).__name__.lower()
