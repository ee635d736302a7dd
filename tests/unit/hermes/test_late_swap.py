"""A swap that comes after the gateway's start: each adapter gets its handlers and store again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.hermes.compat.seams.gateway_runner import rewire_adapters


class Adapter:
    """Remembers what it is given."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def set_session_store(self, store: Any) -> None:
        self.given["store"] = store

    def set_message_handler(self, handler: Any) -> None:
        self.given["message"] = handler

    def set_busy_session_handler(self, handler: Any) -> None:
        self.given["busy"] = handler


@pytest.mark.parametrize("newer", [False, True])
def test_the_adapters_of_profiles_own_bots_are_taken_over_too(*, newer: bool) -> None:
    shared, own, another = Adapter(), Adapter(), Adapter()
    runner = SimpleNamespace(
        adapters={"telegram": shared},
        _profile_adapters={"systems": {"telegram": own, "irc": another}},
        session_store="store",
        _handle_message="swapped",
        _handle_active_session_busy_message="swapped busy",
    )
    if newer:
        runner._make_profile_busy_session_handler = None
    rewire_adapters(runner)
    assert shared.given == {"message": "swapped", "busy": "swapped busy", "store": "store"}
    for adapter in (own, another):
        assert adapter.given == {"store": "store"} | ({} if newer else {"busy": "swapped busy"})


def test_a_gateway_without_profiles_own_bots_is_taken_over() -> None:
    wired: list[Any] = []
    runner = SimpleNamespace(adapters={"telegram": "adapter"}, _wire_adapter_handlers=wired.append)
    rewire_adapters(runner)
    assert wired == ["adapter"]
