"""What an adapter itself, not a configuration, tells the model about a place.

An adapter writes its own sentences and the configured text into one field, the event's
``channel_prompt``. The configured text is the gateway's and must not reach the worker. So each of
the adapter's own sentences is made again and searched for in the field.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from hermes_router.hermes.compat.seams.sending import adapter_for

logger = logging.getLogger(__name__)

_TELEGRAM = "plugins.platforms.telegram.telegram_context"

#: A message of a group, with only what Telegram's adapter reads for these sentences.
_IN_A_GROUP = SimpleNamespace(chat=SimpleNamespace(type="supergroup"))


def own_words(runner: Any, event: Any) -> str | None:
    """Return the sentences in an event's ``channel_prompt`` that its adapter wrote, or None.

    A worker gets them, but not the rest of the prompt. Several are joined by empty lines. If the
    adapter raises, this is logged and None is returned.
    """
    prompt = getattr(event, "channel_prompt", None)
    if not prompt:
        return None
    adapter = adapter_for(runner, event.source)
    try:
        said = [words for words in _sentences(adapter, event.source) if words and words in prompt]
    except Exception as error:  # noqa: BLE001 - boundary: an adapter may raise anything
        logger.warning(
            "hermes-router: the sentences that %s writes into prompts could not be read: %r",
            adapter,
            error,
        )
        return None
    return "\n\n".join(said) or None


def _sentences(adapter: Any, source: Any) -> Iterator[str | None]:
    """Yield the sentences that this adapter may write: about the bot, and observed messages."""
    slack = getattr(adapter, "_build_identity_prompt", None)
    if slack is not None:
        yield slack(getattr(source, "scope_id", None) or "")
    explain = getattr(adapter, "_telegram_group_observe_channel_prompt", None)
    if explain is None:
        return
    identify = getattr(sys.modules.get(_TELEGRAM), "group_identity_prompt", None)  # since 0.22
    if identify is not None:
        yield identify(adapter, _IN_A_GROUP, None)
    yield explain()
