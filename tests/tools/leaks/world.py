"""`World`: the homes of one side, before its gateway starts.

`alice` is the profile whose markers must not be found, `bob` the one that looks; the gateway's own
profile is the third party. The others are for what would disturb these two.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from tests.kit import FORUM, FakeModel, FakeTelegram, HermesRoot, Home
from tests.kit.outside.portal import FakePortal
from tests.kit.roots import routed
from tests.tools.leaks.row import IN_PROCESS, LOCAL

ALICE, BOB, CAROL, DORA, ERIN, FRANK, BROKEN, NOBODY = (
    *("alice", "bob", "carol", "dora", "erin", "frank"),
    *("broken", "nobody"),
)
"""`carol` asks before dangerous commands, `dora` has a remote terminal, `erin` a bot of her own,
`frank` a provider but no login, `broken` an unreadable configuration, `nobody` a route but no home.
"""

ERINS_BOT = "7654321:kit-bot-token_of_erin_BBBBBBBBBBBBBBBB"

PROCESSES = 150
"""How many alice may have in one worker."""

DEFAULT = "default"
GROUP = -1003961179977
"""A group that is routed to bob; the bot must be addressed in it."""

TOPICS_EACH = 100
_FIRST = 1000
EXPLICIT = 1999
"""A topic with a route that says `default`."""

WITH_SKILL = _FIRST + 2 * TOPICS_EACH - 1
"""A topic of bob's for which the gateway's configuration names a skill."""

ALL_WARM = 8
"""Workers are prepared for so many profiles by default; there are fewer."""

_ROUTED = (ALICE, BOB, CAROL, DORA, ERIN, FRANK, BROKEN, NOBODY)

TOOLS = '''"""Tools of the leak suite: `inside` runs code in the agent's own process."""
import io, json, os, traceback

def inside(args, **_):
    found = {{"__name__": "inside"}}
    try:
        exec(args["code"], found)
    except Exception:
        found["result"] = traceback.format_exc()
    return json.dumps({{"result": str(found.get("result"))}})

def whose(args, **_):
    return json.dumps({{"result": "plugin-of-{name}"}})

def register(ctx):
    for tool in (inside, whose):
        schema = {{
            "name": tool.__name__,
            "description": "For the leak suite.",
            "parameters": {{"type": "object", "properties": {{"code": {{"type": "string"}}}}}},
        }}
        ctx.register_tool(tool.__name__, "leaks", schema, tool)
'''


class World:
    """The root and its profiles on one side, and what the rows plant in them."""

    def __init__(
        self,
        base: Path,
        side: str,
        telegram: FakeTelegram,
        model: FakeModel,
        portal: FakePortal,
        *,
        warm: int = ALL_WARM,
    ) -> None:
        self.side = side
        self.warm = warm
        self.portal = portal
        self.base = base
        self.root = HermesRoot(base, telegram=telegram, model=model)
        for name in (ALICE, BOB, CAROL, DORA, ERIN, FRANK, BROKEN):
            self.root.add_profile(name)
        for home in self.homes():
            home.configure({"approvals": {"mode": "off"}, "plugins": {"enabled": ["leaks"]}})
            _add_tools(home)
        self.topics = _topics()
        self.chats = {GROUP: BOB}
        self._fresh = {name: itertools.count(first) for name, first in _firsts().items()}

    @property
    def forum(self) -> int:
        """Chat id of the forum with the topics."""
        return FORUM

    @property
    def home(self) -> Path:
        """HOME of the user who runs the gateway."""
        return self.base / "home"

    def homes(self) -> Iterator[Home]:
        """Yield the root's own home and those of the profiles that work."""
        yield self.root
        yield from (self[name] for name in self.root.profiles if name != BROKEN)

    def __getitem__(self, profile: str) -> Home:
        return self.root if profile == DEFAULT else self.root.profiles[profile]

    def fresh_topic(self, profile: str) -> int:
        """Return a topic of a profile in which nobody has written."""
        return next(self._fresh[profile])

    def finish(self) -> None:
        """Write the routes, when everything is planted."""
        if self.side == IN_PROCESS:
            routed.in_process(self.root, self.topics, self.chats, {EXPLICIT: ERIN})
        else:
            settings = {
                "defaults": {"launcher": self.side},
                "warm_budget": {"profiles": self.warm},
                "profiles": {ALICE: {"limits": {"processes": PROCESSES}}},
            }
            routed.by_router(self.root, self.topics, settings, self.chats)

    @property
    def sandboxed(self) -> bool:
        """Whether the profiles' workers are in sandboxes."""
        return self.side not in {IN_PROCESS, LOCAL}


def plant_file(path: Path, text: str, mode: int = 0o644) -> Path:
    """Write a file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def _firsts() -> dict[str, int]:
    names = (*_ROUTED, DEFAULT)
    return {name: _FIRST + number * TOPICS_EACH for number, name in enumerate(names)}


def _topics() -> dict[int, str]:
    """Return the routed topics; those of the gateway's own profile have no route."""
    return {
        topic: name
        for name, first in _firsts().items()
        if name != DEFAULT
        for topic in range(first, first + TOPICS_EACH)
    }


def _add_tools(home: Home) -> None:
    folder = home.path / "plugins" / "leaks"
    plant_file(folder / "plugin.yaml", "name: leaks\nversion: 1.0.0\ndescription: leak suite\n")
    plant_file(folder / "__init__.py", TOOLS.format(name=home.name))
