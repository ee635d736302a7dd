"""What a worker may call is what the real adapter's class draws itself."""

from __future__ import annotations

from typing import Any

from hermes_router.relay.capabilities import ask_capabilities, relayed_methods


class BasePlatformAdapter:
    """As in Hermes 0.22: it composes an approval's text, and a hook draws the buttons."""

    async def send_exec_approval(self, chat_id: str) -> object:
        return await self._send_exec_approval_prompt(chat_id)

    async def _send_exec_approval_prompt(self, prompt: object) -> object: ...

    async def edit_message(self, chat_id: str) -> None: ...


class Plain(BasePlatformAdapter):
    """Draws nothing itself."""


class Buttons(BasePlatformAdapter):
    """Draws the buttons, in the hook."""

    async def _send_exec_approval_prompt(self, prompt: object) -> object: ...


class Older:
    """As before 0.21.3: the method is the adapter's own."""

    async def send_exec_approval(self, chat_id: str) -> None: ...


def test_an_approval_is_relayed_where_the_adapter_draws_its_buttons() -> None:
    assert "send_exec_approval" in relayed_methods(Buttons())
    assert "send_exec_approval" in relayed_methods(Older())
    assert "send_exec_approval" not in relayed_methods(Plain())


def test_what_the_base_class_does_is_not_relayed() -> None:
    assert "edit_message" not in relayed_methods(Buttons())


class Connector(BasePlatformAdapter):
    """Fronts several platforms, and narrows the tools of what a webhook's route sends."""

    message_len_fn = staticmethod(len)

    def message_len_fn_for_chat(self, chat_id: str) -> Any:
        return (lambda text: len(text.encode())) if chat_id == "irc" else len

    def max_message_length_for_chat(self, chat_id: str) -> int:
        return 400 if chat_id == "irc" else 4096

    def toolsets_for_source(self, source: Any) -> list[str] | None:
        return ["web"] if source.user_id == "webhook:news" else None


def test_limits_are_asked_for_the_chat_of_the_session() -> None:
    answers = ask_capabilities(Connector(), {"chat_id": "irc", "user_id": "1"})
    assert (answers["message_len_fn"], answers["max_message_length_for_chat"]) == ("utf8", 400)
    answers = ask_capabilities(Connector(), {"chat_id": "other", "user_id": "1"})
    assert answers["message_len_fn"] == "codepoints"
    assert answers["toolsets_for_source"] is None


def test_the_tools_that_a_webhooks_route_allows_cross() -> None:
    answers = ask_capabilities(Connector(), {"chat_id": "1", "user_id": "webhook:news"})
    assert answers["toolsets_for_source"] == ["web"]
