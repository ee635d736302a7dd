"""Report when an adapter asks its platform to send an answer, and when the platform refuses.

The reports go to :mod:`hermes_router.relay.attempts`, and from there into the ledger of messages.

Hermes's Telegram adapter (0.22) waits a second between two messages to a chat, and repeats a call
that was refused after seconds. So the moment in which ``send`` is called says little. Whether an
answer has arrived shows in the requests of the adapter's client library. For adapters of other
platforms an answer counts as asked for when the adapter's method is called.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from hermes_router.relay import attempts

#: Telegram's methods that show a text to people begin with one of these words.
_SHOWING = ("send", "edit", "copy", "forward")
#: Those of them that show no text.
_SIGNS = frozenset({"sendchataction"})

_FOLLOWED = frozenset({"telegram"})
_OK = 200


def is_followed(adapter: Any) -> bool:
    """Return True if this module reports the requests of the adapter's client library.

    For any other adapter, the conversation itself reports, before it calls the adapter's method.
    """
    return adapter.platform.value in _FOLLOWED


def take_over(adapter: Any) -> None:
    """Wrap the request function of an adapter's client library, so that it reports each sending.

    The router calls this for each new adapter. The function is wrapped once, for all adapters.
    Nothing is done for an adapter that is not followed.
    """
    if not is_followed(adapter):
        return
    client = importlib.import_module("telegram.request").HTTPXRequest
    if not getattr(client.do_request, "notes_attempts", False):
        noting = _noting(client.do_request)
        noting.notes_attempts = True
        client.do_request = noting


def _noting(original: Any) -> Any:
    errors = importlib.import_module("telegram.error")

    @functools.wraps(original)
    async def do_request(self: Any, url: str, *rest: Any, **options: Any) -> tuple[int, bytes]:
        if not _shows(url):
            return await original(self, url, *rest, **options)  # type: ignore[no-any-return]
        if not _reports_sending(getattr(self, "_client", None)):
            attempts.asks()
        try:
            status, answer = await original(self, url, *rest, **options)
        except errors.NetworkError as error:
            if _was_unreachable(error, errors):
                attempts.refused()
            raise
        if status != _OK:
            attempts.refused()
        return status, answer

    return do_request


def _reports_sending(client: Any) -> bool:
    """Have an ``httpx`` client report when it sends; return False if it is none.

    A request may wait before that: for a connection of the client's pool, and where the machine is
    busy, for the event loop. If the gateway dies then, nothing has arrived.
    """
    hooks = getattr(client, "event_hooks", None)
    if hooks is None:
        return False
    if _follow not in hooks["request"]:
        client.event_hooks = {**hooks, "request": [*hooks["request"], _follow]}
    return True


async def _follow(request: Any) -> None:
    if _shows(request.url.path):
        request.extensions = {**request.extensions, "trace": _note_sending}


async def _note_sending(event: str, _details: Any) -> None:
    if event.endswith(".send_request_headers.started"):
        attempts.asks()


def _shows(url: str) -> bool:
    name = url.rpartition("/")[2].lower()
    return name.startswith(_SHOWING) and name not in _SIGNS


def _was_unreachable(error: Exception, errors: Any) -> bool:
    """Return True if nothing was sent. If a connection breaks later, the text may have arrived."""
    return not isinstance(error, errors.TimedOut) and "httpx.ConnectError" in str(error)
