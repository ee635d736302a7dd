"""`FakeTelegram`: a Bot API server that plays the platform and its users.

    with FakeTelegram() as tg:
        ...                                     # start a gateway that talks to tg.base_url
        tg.say("hello", thread_id=7)
        reply = tg.wait_reply(thread_id=7, contains="hello")

Calls are recorded in `tg.calls()`; waiting is done with conditions, never by polling. As on the
real platform, a gateway's cold start drops the updates that were queued before it connected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.kit.telegram.types import FORUM, TOKEN, USER, Call, Fault, Latency, Message
from tests.kit.telegram.users import TelegramUsers

__all__ = ["FORUM", "TOKEN", "USER", "FakeTelegram"]

_BACKGROUND = frozenset({"getupdates", "sendchataction", "getme", "getwebhookinfo"})
_TIMEOUT = 120.0


class FakeTelegram(TelegramUsers):
    """The whole platform: any number of bots (one per token), one forum, DMs, groups."""

    # -- what a test looks at

    @property
    def seq(self) -> int:
        """Sequence number of the newest call, for `after=`."""
        with self.journal.changed:
            return self._seq

    def calls(
        self, *methods: str, token: str | None = None, after: int = 0, polls: bool = False
    ) -> list[Call]:
        """Return recorded calls, optionally only of these methods. Polls only on request."""
        wanted = {method.casefold() for method in methods}
        return [
            call
            for call in self.journal.all()
            if call.seq > after
            and (not wanted or call.method.casefold() in wanted)
            and (token is None or call.token == token)
            and (polls or wanted or call.method.casefold() != "getupdates")
        ]

    def transcript(
        self,
        chat_id: int = FORUM,
        thread_id: int | None = None,
        *,
        token: str | None = None,
        users: bool = False,
    ) -> list[Message]:
        """Return the messages of a place as they look now, oldest first.

        Bots' messages only, unless `users`; of one bot only with `token`. Deleted ones are
        included, marked.
        """
        with self.journal.changed:
            return [
                self._show(stored)
                for stored in self.world.in_place(chat_id, thread_id)
                if (users or stored.token is not None) and (token is None or stored.token == token)
            ]

    def message(self, message_id: int) -> Message:
        """Return one message as it looks now; raises LookupError when there is none."""
        with self.journal.changed:
            return self._show(self._known(message_id))

    def pending(self, token: str | None = None) -> int:
        """Return how many updates the bot has not fetched and confirmed."""
        with self.journal.changed:
            return len(self.world.bot(token or self.token).updates)

    def drafts(self, chat_id: int = USER) -> list[str]:
        """Return the texts of all streaming drafts shown in a DM."""
        with self.journal.changed:
            shown = self.world.drafts.items()
            return [text for (chat, _), texts in shown if chat == chat_id for text in texts]

    def reactions(self, message_id: int, chat_id: int = FORUM) -> list[str]:
        """Return the bot's reactions on a message."""
        with self.journal.changed:
            return list(self.world.reactions.get((chat_id, message_id), []))

    # -- waiting

    def wait_for(
        self, predicate: Callable[[Call], bool], timeout: float = _TIMEOUT, after: int = 0
    ) -> Call:
        """Return the first call (newer than `after`) for which the predicate holds.

        Raises TimeoutError whose text lists the recorded calls.
        """

        def probe() -> Call | None:
            return next((c for c in self.journal.all() if c.seq > after and predicate(c)), None)

        return self.journal.wait(
            probe, timeout, lambda: f"no such call in {timeout} s:\n{self.listing(after)}"
        )

    def wait_call(
        self,
        method: str,
        *,
        after: int = 0,
        timeout: float = _TIMEOUT,
        token: str | None = None,
        **params: Any,
    ) -> Call:
        """Return the first call of a method with these parameters; see `wait_for`."""

        def matches(call: Call) -> bool:
            return (
                call.method.casefold() == method.casefold()
                and (token is None or call.token == token)
                and all(call.params.get(key) == value for key, value in params.items())
            )

        return self.wait_for(matches, timeout, after)

    def wait_reply(
        self,
        chat_id: int = FORUM,
        thread_id: int | None = None,
        *,
        contains: str = "",
        after: int = 0,
        timeout: float = _TIMEOUT,
        token: str | None = None,
        partial: bool = False,
        where: Callable[[Message], bool] = lambda message: True,
    ) -> Message:
        """Return the first message in a place whose current text contains a string.

        Only messages that were posted or changed by a call newer than `after` count, and not
        deleted ones, nor (without `partial`) those that are still being streamed. Raises
        TimeoutError with the recorded calls.
        """

        def probe() -> Message | None:
            for stored in self.world.in_place(chat_id, thread_id):
                ours = stored.token is not None and token in (None, stored.token)
                fresh = stored.seq > after and not stored.deleted and contains in stored.text
                if not (ours and fresh):
                    continue
                message = self._show(stored)
                if where(message) and (partial or not message.partial):
                    return message
            return None

        def failure() -> str:
            return (
                f"no message containing {contains!r} in {chat_id}/{thread_id} in {timeout} s:\n"
                f"{self.listing(after)}"
            )

        return self.journal.wait(probe, timeout, failure)

    def wait_polling(
        self, token: str | None = None, timeout: float = _TIMEOUT, after: int = 0
    ) -> Call:
        """Return the first getUpdates of a bot: its gateway is connected."""
        return self.wait_call("getUpdates", token=token or self.token, timeout=timeout, after=after)

    def wait_idle(self, quiet: float = 0.5, timeout: float = _TIMEOUT) -> None:
        """Return when nothing but polls and typing has been seen for `quiet` seconds."""
        self.journal.wait_quiet(
            quiet,
            timeout,
            lambda call: call.method.casefold() not in _BACKGROUND,
            lambda: f"still busy after {timeout} s:\n{self.listing()}",
        )

    def listing(self, after: int = 0, last: int = 60) -> str:
        """Return recent calls, one per line, without polls."""
        lines = [call.line() for call in self.calls(after=after)]
        cut = [f"({len(lines) - last} earlier calls)"] if len(lines) > last else []
        return "\n".join(cut + lines[-last:]) or "(no calls)"

    # -- faults

    def fail_next(
        self,
        method: str,
        error_code: int = 429,
        description: str | None = None,
        *,
        retry_after: int | None = None,
        times: int = 1,
        match: Callable[[Call], bool] | None = None,
        applied: bool = False,
    ) -> None:
        """Refuse the next `times` calls of a method (those that `match`).

        With `applied`, the call takes effect and only its answer is an error. A 429 without
        `retry_after` asks for one second. With the code `BROKEN` the connection breaks instead of
        an answer.
        """
        if error_code == 429:
            retry_after = retry_after if retry_after is not None else 1
            description = description or f"Too Many Requests: retry after {retry_after}"
        text = description or "Internal Server Error"
        with self.journal.changed:
            self.faults.planned.append(
                Fault(method, error_code, text, retry_after, times, match, applied)
            )

    def set_latency(
        self, method: str, seconds: float, match: Callable[[Call], bool] | None = None
    ) -> None:
        """Delay each call of a method (that matches) before it takes effect; 0 ends that."""
        with self.journal.changed:
            self.faults.latency.append(Latency(method.casefold(), seconds, match))

    def set_answer_latency(
        self, method: str, seconds: float, match: Callable[[Call], bool] | None = None
    ) -> None:
        """Delay the answer to each call (that matches) after it took effect; 0 ends that."""
        with self.journal.changed:
            self.faults.answer_latency.append(Latency(method.casefold(), seconds, match))

    def clear_faults(self) -> None:
        """Forget planned faults and latencies."""
        with self.journal.changed:
            self.faults.planned.clear()
            self.faults.latency.clear()
            self.faults.answer_latency.clear()
