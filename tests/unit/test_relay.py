"""What the relay makes of a worker's call before the real adapter sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hermes_router.relay import Relay, RelayTarget
from hermes_router.spool import Spool


class BasePlatformAdapter:
    """Stands for Hermes's: what has this name is not the adapter's own."""


class Adapter(BasePlatformAdapter):
    async def send_clarify(
        self, chat_id: str, question: str, choices: list[str] | None, metadata: Any = None
    ) -> None:
        raise AssertionError("only a prompt's owner calls this")


async def test_what_is_none_is_named_where_the_adapter_demands_it(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    async def ask(_adapter: object, _method: object, arguments: dict[str, Any]) -> None:
        asked.append(arguments)

    target = RelayTarget("career", "-100", "6", frozenset())
    await Relay(Adapter(), target).execute(
        "send_clarify", {"chat_id": "-100", "question": "Which?"}, Spool(limit=0), ask
    )
    [arguments] = asked
    assert arguments == {
        "chat_id": "-100",
        "question": "Which?",
        "choices": None,
        "metadata": {"thread_id": "6"},
    }
