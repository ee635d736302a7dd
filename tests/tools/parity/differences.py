"""The closed list of what differs between a plain gateway and a routed conversation, and why.

An entry is text that one side or the other has. It is taken out on both sides before they are
compared; whatever else differs is an error, and so is an entry that a full run never met.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from hermes_router.protocol.system.versions import hermes_version


@dataclass(frozen=True)
class Difference:
    """A text that one side has and the other must not have, and the reason."""

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
    until: str = ""
    """The last Hermes that has it; all, if empty."""

    def applies_to(self, title: str) -> bool:
        """Return True if the difference may be found in the scenario with this title."""
        return not self.titles or title in self.titles

    def without(self, lines: list[str], side: Literal["plain", "routed"]) -> tuple[list[str], bool]:
        """Return lines without the difference, and whether it was there."""
        pattern = re.compile(self.plain if side == "plain" else self.routed)
        found = any(pattern.search(line) for line in lines)
        if self.lines:
            return [line for line in lines if not pattern.search(line)], found
        return [pattern.sub(self.becomes, line) for line in lines], found

    def is_past(self) -> bool:
        """Return True if the installed Hermes is a version that does not have it any more."""
        return bool(self.until) and _minor(hermes_version()) > _minor(self.until)


def _minor(version: str | None) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version or "")[:2])


_ALL: tuple[Difference, ...] = (
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
        until="0.20",
    ),
    Difference(
        "late click on a confirmation",
        "Hermes confirms a click on a confirmation that was answered by a word, though it decides "
        "nothing any more. A routed prompt closes with its answer: the click is told so.",
        plain=r"^answerCallbackQuery .*Cancelled|^    .*Cancelled.* Ada",
        routed=r"^answerCallbackQuery .*already been resolved",
        titles=("a click after a typed answer to a confirmation",),
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
        until="0.19",
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
        "attachment left out",
        "Hermes only logs that a file of an answer is not attached. Where a profile is routed to, "
        "the conversation is told which file, and why.",
        routed=r"^    .*was not attached: there is no such file"
        r"|^message .*\"disable_notification\": true, \"message_thread_id\": \"<place>\"\}$",
        titles=("names a file that is not there",),
        lines=True,
    ),
    Difference(
        "id of the turn",
        "What Hermes says of a failed model ends in the id of the turn, with which the operator "
        "finds its log.",
        routed=r" \\?\\?\[[0-9a-f]{8}\\?\\?\](?=\")",
        titles=("the model fails",),
    ),
    Difference(
        "/agents",
        "Hermes counts the loops of its own process among the jobs, and so never says that nothing "
        "runs. A worker has none of these loops.",
        plain=r"^    .*(Gateway|Agents) async jobs",
        routed=r"^    .*(Gateway|Agents) async jobs",
        titles=("a command by another name", "each command from a on, without arguments"),
        lines=True,
    ),
    Difference(
        "paused",
        "While Hermes is paused, the gateway answers for a routed profile by a notice, and its "
        "notices make no sound.",
        plain=r"\"disable_notification\": true, ",
        routed=r"\"disable_notification\": true, ",
        titles=("a message while all is paused",),
    ),
    Difference(
        "/context",
        "Hermes counts in memory what `/context` details: in a gateway that was restarted, and in "
        "a worker, it shows the short form between turns.",
        plain=r"\\n\\nContext threshold .*(?=\"\})",
        routed=r"\\n\\nContext detail after first(?=\"\})",
        titles=("/context in a conversation",),
    ),
    Difference(
        "/usage",
        "Hermes counts in memory what `/usage` details: in a gateway that was restarted, and in a "
        "worker, it shows the short form between turns.",
        plain=r"^    .*(Session Token Usage|Usage header session(?! info))",
        routed=r"^    .*(Session Info|Usage header session info)",
        titles=("/usage and after",),
        lines=True,
    ),
)

DIFFERENCES: tuple[Difference, ...] = tuple(d for d in _ALL if not d.is_past())
"""Those that the installed Hermes has."""
