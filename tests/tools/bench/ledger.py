"""What the ledger of messages costs a message, against one line that is written and synced.

Both sides do it in a thread, as the gateway does; the files lie in the folder for temporary files.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from hermes_router.base.tasks import in_thread
from hermes_router.state import kept_event
from hermes_router.state.append_log import AppendLog
from hermes_router.state.ledger import Entry, Identity, Ledger
from tests.tools.bench.alone import Alone
from tests.tools.bench.summary import median

MESSAGES = 500
SESSION = "agent:main:telegram:group:-100200300:6"
SOURCE = {
    "platform": "telegram",
    "chat_id": "-100200300",
    "chat_type": "group",
    "thread_id": "6",
    "user_id": "7700001",
    "user_name": "Ada",
}
EVENT = {"text": "What did we say about the letter to the bank? " * 3, "message_id": "4711"}


def measure(messages: int = MESSAGES) -> list[Alone]:
    """Measure what a message waits for before it is served, and what it costs from there on."""
    with TemporaryDirectory() as folder:
        bare, entered, later = anyio.run(_measure, Path(folder), messages)
    return [
        Alone("13", "entering a message in the ledger", bare, entered, "ms", "<= 1 ms"),
        Alone("13", "its later steps, and its end", None, later, "ms", "<= 1"),
    ]


async def _measure(folder: Path, messages: int) -> tuple[float, float, float]:
    """Return medians in milliseconds, of messages that take turns with the bare lines."""
    home = folder / "career"
    home.mkdir()
    ledger = Ledger(folder / "hermes-router" / "ledger.jsonl")
    log = AppendLog(folder / "bare.jsonl", dict[str, str])
    line = {"line": "x" * 400}
    bare, entered, later = [], [], []
    for number in range(messages):
        bare.append(await _took(partial(in_thread, partial(log.append, line, sync=True))))
        begun = time.perf_counter()
        entry = _accepted(ledger, number)
        await in_thread(_enter, ledger, entry, home)
        entered.append((time.perf_counter() - begun) * 1000)
        later.append(await _took(partial(_see_through, entry, home)))
    return median(bare), median(entered), median(later)


def _accepted(ledger: Ledger, number: int) -> Entry:
    identity = Identity(platform="telegram", chat_id="-100200300", parts=((str(number), ""),))
    return ledger.accept(identity, profile="career", session=SESSION, source=SOURCE)


def _enter(ledger: Ledger, entry: Entry, home: Path) -> None:
    kept_event.keep(home, entry.id, EVENT, files=False)
    if not ledger.record(entry):
        raise OSError(f"the ledger in {home.parent} cannot be written")


async def _see_through(entry: Entry, home: Path) -> None:
    entry.begun()
    entry.said()
    entry.trying("the hash of a text")
    entry.answered()
    entry.settle()
    await in_thread(kept_event.forget, home, entry.id)


async def _took(work: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await work()
    return (time.perf_counter() - begun) * 1000
