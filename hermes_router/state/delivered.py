"""Remember the replies that were sent for workers which died before they could record that.

Hermes in a worker lists in its profile's database which replies are not sent yet. If the worker
dies after the gateway has sent a reply, the reply is still in that list. The profile's next worker
is told these texts, and removes them from the list before it sends the rest again.
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

#: The age in seconds from which Hermes does not send a reply again.
_KEEP_SECONDS = 24 * 3600.0

_MOST = 200

#: Maximum number of one worker's last texts whose names are remembered.
_SENT_REMEMBERED = 100


class DeliveredTexts:
    """For each profile, the replies of its dead workers that the gateway had sent, in ``file``.

    The profile's next worker removes them from its list of unsent replies. A missing or broken file
    counts as empty: then a reply may be sent a second time.
    """

    def __init__(self, file: Path) -> None:
        self._file = StateFile(file, dict[str, list[DeliveredText]])
        self._profiles = self._file.read()

    def of(self, profile: str) -> list[DeliveredText]:
        """Return the replies that the profile's next worker must not send again; it is told them.

        Replies of workers that ended more than a day ago are left out: Hermes does not repeat them.
        """
        oldest = time.time() - _KEEP_SECONDS
        return [one for one in self._profiles.get(profile, ()) if one.until > oldest]

    def add(self, profile: str, settled: list[DeliveredText]) -> None:
        """Remember replies that were sent for a profile's dead worker, for its next worker.

        A turn does this when its worker has died. At most 200 are kept for each profile. If the
        file cannot be written, they are kept in memory only, and a restart of the gateway forgets
        them.
        """
        if not settled:
            return
        self._profiles[profile] = [*self.of(profile), *settled][-_MOST:]
        self._file.write(self._profiles, "what was sent")


class SentTexts:
    """The names (hashes) of the newest texts that the gateway sent for one worker, at most 100.

    If the worker dies, its turn stores them in :class:`DeliveredTexts`.
    """

    def __init__(self) -> None:
        self._since = time.time()
        self._names: deque[str] = deque(maxlen=_SENT_REMEMBERED)

    def note(self, call: msg.Request, value: Any, origin: Place | None) -> None:
        """Remember the text of a worker's call, if the call's result ``value`` reports success.

        The worker session calls this after each call. Calls that send no text are ignored.
        ``origin`` is the worker's own conversation, to which its ``send`` calls go; None for a job.
        """
        if not isinstance(value, dict) or not value.get("success"):
            return
        if isinstance(call, msg.Deliver):
            self._names.append(name_of(call.platform, call.chat_id, call.thread_id, call.text))
        elif isinstance(call, msg.Call) and call.method == "send":
            here = origin or Place("")
            text = str(call.args.get("content", ""))
            self._names.append(name_of(here.platform, here.chat_id or "", here.thread_id, text))

    def settled(self) -> list[DeliveredText]:
        """Return the remembered texts, each with the time from this worker's start until now.

        The turn passes them to :meth:`DeliveredTexts.add` if the worker has died.
        """
        until = time.time()
        return [DeliveredText(name=name, since=self._since, until=until) for name in self._names]
