"""What was sent for workers that died before they could cross it off, in the gateway's home.

The profile's next worker is told, and crosses it off, before anything that is owed is sent again.
"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.delivered import name_of
from hermes_router.protocol.messages import DeliveredText
from hermes_router.routing.table import Place
from hermes_router.state.state_file import StateFile

#: Hermes gives up on a reply that has been owed for so long.
_KEEP_SECONDS = 24 * 3600.0

_MOST = 200

#: Texts sent by one worker whose names are remembered.
_SENT_REMEMBERED = 100


class DeliveredTexts:
    """By profile, what its dead workers need not send again; in ``file``."""

    def __init__(self, file: Path) -> None:
        self._file = StateFile(file, dict[str, list[DeliveredText]])
        self._profiles = self._file.read()

    def of(self, profile: str) -> list[DeliveredText]:
        """Return what a worker of the profile is to be told."""
        oldest = time.time() - _KEEP_SECONDS
        return [one for one in self._profiles.get(profile, ()) if one.until > oldest]

    def add(self, profile: str, settled: list[DeliveredText]) -> None:
        """Remember what was sent; a disk that takes no note keeps it until the gateway ends."""
        if not settled:
            return
        self._profiles[profile] = [*self.of(profile), *settled][-_MOST:]
        self._file.write(self._profiles, "what was sent")


class SentTexts:
    """The names of the texts that went out for one worker: it may die before it notes that."""

    def __init__(self) -> None:
        self._since = time.time()
        self._names: deque[str] = deque(maxlen=_SENT_REMEMBERED)

    def note(self, call: msg.Request, value: Any, origin: Place | None) -> None:
        """Remember what a call sent, if ``value`` says that it did; a plain text, to ``origin``."""
        if not isinstance(value, dict) or not value.get("success"):
            return
        if isinstance(call, msg.Deliver):
            self._names.append(name_of(call.platform, call.chat_id, call.thread_id, call.text))
        elif isinstance(call, msg.Call) and call.method == "send":
            here = origin or Place("")
            text = str(call.args.get("content", ""))
            self._names.append(name_of(here.platform, here.chat_id or "", here.thread_id, text))

    def settled(self) -> list[DeliveredText]:
        """Return it all, as the profile's next worker is told of it."""
        until = time.time()
        return [DeliveredText(name=name, since=self._since, until=until) for name in self._names]
