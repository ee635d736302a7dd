"""The closed list of what differs between a plain gateway and a routed conversation, and why.

An entry is text that one side or the other has. It is taken out on both sides before they are
compared; whatever else differs is an error, and so is an entry that a full run never met.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Difference:
    """Something that must differ."""

    name: str
    reason: str
    plain: str = r"(?!)"
    """Regular expression of what the plain gateway has there."""
    routed: str = r"(?!)"
    """Regular expression of what the routed conversation has there."""
    becomes: str = ""
    """What both are replaced by."""
    titles: tuple[str, ...] = ()
    """Scenarios that it may be found in; all, if empty."""
    lines: bool = False
    """Whole lines are dropped where the expression is found."""

    def applies_to(self, title: str) -> bool:
        """Say whether it may be found in this scenario."""
        return not self.titles or title in self.titles

    def without(self, lines: list[str], side: Literal["plain", "routed"]) -> tuple[list[str], bool]:
        """Return lines without the difference, and whether it was there."""
        pattern = re.compile(self.plain if side == "plain" else self.routed)
        found = any(pattern.search(line) for line in lines)
        if self.lines:
            return [line for line in lines if not pattern.search(line)], found
        return [pattern.sub(self.becomes, line) for line in lines], found


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "HOME",
        "A worker's HOME is the profile's own: that is what workers are for.",
        plain=r"<base>/home\b",
        routed=r"<base>/hermes/profiles/career/home\b",
        becomes="<HOME>",
    ),
    Difference(
        "late click",
        "Hermes confirms a click on an approval that has been given by a word or was stopped, "
        "though it decides nothing any more. A routed prompt closes with its answer: the click is "
        "told so.",
        plain=r"^answerCallbackQuery .*(Denied|Approved once)|^    .*(Denied|Approved once) by Ada",
        routed=r"^answerCallbackQuery .*already been resolved",
        titles=("a click after a typed answer", "approval, then /stop"),
        lines=True,
    ),
    Difference(
        "model picker",
        "Hermes 0.19 lets anybody in the chat click in its model picker, whom all its other "
        "prompts refuse. A routed one refuses them too.",
        plain=r"^    .*Select a model|^answerCallbackQuery \{\}$",
        routed=r"^answerCallbackQuery (.*not authorized to change|\{\}$)",
        titles=("a stranger's click on the model picker",),
        lines=True,
    ),
    Difference(
        "local address",
        "A worker may have the platform fetch pictures from the web, but the gateway passes on no "
        "address that leads into its own machine or network.",
        plain=r"^message .*sendMediaGroup|^    \{\}$",
        titles=("sends a picture from an address on the gateway's own machine",),
        lines=True,
    ),
    Difference(
        "/agents",
        "Hermes counts the loops of its own process among the jobs, and so never says that nothing "
        "runs. A worker has none of these loops.",
        plain=r"^    .*Gateway async jobs",
        routed=r"^    .*Gateway async jobs",
        titles=("a command by another name", "each command from a on, without arguments"),
        lines=True,
    ),
    Difference(
        "/usage",
        "Hermes counts in memory what `/usage` details: in a gateway that was restarted, and in a "
        "worker, it shows the short form between turns.",
        plain=r"^    .*Session Token Usage",
        routed=r"^    .*Session Info",
        titles=("/usage and after",),
        lines=True,
    ),
)
