"""Who does what both adapters could do.

The gateway's real adapter and the worker's pipe adapter both run the code of Hermes's
``BasePlatformAdapter`` around a message. Each duty below has one owner, so that nothing happens
twice and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

Owner = Literal["gateway", "worker", "either"]


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """A duty of the base adapter.

    ``either``: the gateway while its own adapter handles the message, the worker otherwise.
    """

    owner: Owner
    how: str


DUTIES: Mapping[str, Duty] = MappingProxyType(
    {
        "typing": Duty(
            owner="either",
            how="the gateway's loop runs while its handler waits for the turn, and the relay drops "
            "the worker's send_typing meanwhile; what a worker begins itself, its own loop shows",
        ),
        "typing pauses": Duty(
            owner="worker",
            how="the worker knows when a person is asked; the pause is told to the gateway's loop",
        ),
        "processing hooks and reactions": Duty(
            owner="gateway",
            how="its adapter fires them around the handler; the pipe adapter inherits empty ones",
        ),
        "text batching, debounce, photo bursts": Duty(
            owner="gateway",
            how="intake: the worker gets messages as the gateway's adapter hands them on",
        ),
        "busy handling: interrupt, queue, steer": Duty(
            owner="worker",
            how="the swap hands a busy message on at once, the profile's settings decide",
        ),
        "sending the reply": Duty(
            owner="worker",
            how="the pipe adapter sends; the gateway's handler returns None, which sends nothing",
        ),
        "retries": Duty(
            owner="worker",
            how="its base adapter retries on results; the relay calls the real adapter once",
        ),
        "auto-TTS": Duty(
            owner="worker",
            how="it is part of sending the reply, with the profile's voice settings",
        ),
        "delivery obligations": Duty(
            owner="worker",
            how="the ledger is in the profile's home; what the gateway has sent for a worker that "
            "died, it tells the next one",
        ),
        "error notices": Duty(
            owner="either",
            how="the worker reports what fails inside a turn, the router what fails around it",
        ),
        "ephemeral deletion": Duty(
            owner="worker",
            how="the worker that sent such a notice lives until it has been deleted",
        ),
    }
)
