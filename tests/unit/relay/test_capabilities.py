"""What a worker may call is what the real adapter's class draws itself."""

from __future__ import annotations

from hermes_router.relay.capabilities import relayed_methods


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
