"""A gateway that may start no process and no thread, or open no file: each message is told of once.

In the real handler of messages, with the real dispatcher and launcher.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.in_process import play
from tests.kit.roots import ordinary_user

OBSTACLE = ordinary_user.obstacle()

MESSAGES = 6

#: Each message is of a conversation of its own. The limit is what is in use when they come.
_PLAY = f"""
import contextlib, importlib, resource

for imported in ("agent.estop", "hermes_cli.commands"):  # a gateway has them by then
    with contextlib.suppress(ImportError):
        importlib.import_module(imported)

async def play(router, adapter, say, home):
    keys, failed = itertools.count(), []
    router._runner._session_key_for_source = lambda source: f"key {{next(keys)}}"

    async def told(number):
        try:
            await asyncio.wait_for(say(f"message {{number}}"), 60)
        except Exception as error:
            failed.append(repr(error))

    await router.start()
    before = resource.getrlimit(LIMIT)
    resource.setrlimit(LIMIT, (in_use(), before[1]))
    try:
        await asyncio.gather(*(told(number) for number in range({MESSAGES})))
    finally:
        resource.setrlimit(LIMIT, before)
    return {{"told": adapter.sent, "failed": failed, "open": len(router._ledger.open)}}
"""

NO_PROCESS = f"""{_PLAY}
LIMIT = resource.RLIMIT_NPROC

def in_use():
    return len(os.listdir("/proc/self/task"))
"""

NO_FILE = f"""{_PLAY}
LIMIT = resource.RLIMIT_NOFILE

def in_use():
    return max(int(name) for name in os.listdir("/proc/self/fd"))
"""


def check(seen: dict[str, Any]) -> None:
    told = [text for text in seen["told"] if "could not record it" not in text]
    assert len(told) == MESSAGES, told
    assert all(text.startswith("⚠️") for text in told), told
    assert seen["failed"] == []  # else Hermes says a second word
    assert seen["open"] == 0
    assert seen["original"] == 0


@pytest.mark.skipif(OBSTACLE is not None, reason=str(OBSTACLE))
def test_without_a_further_process_or_thread_each_message_is_told_of(tmp_path: Path) -> None:
    check(play(NO_PROCESS, tmp_path, ordinary=True))


def test_without_a_further_descriptor_each_message_is_told_of(tmp_path: Path) -> None:
    check(play(NO_FILE, tmp_path))
