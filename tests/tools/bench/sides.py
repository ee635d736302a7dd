"""The two sides: how each has a gateway serve the same topics for the same profiles.

A side only configures a Hermes root; homes, servers and load are the same for both. A setup is what
several figures have in common: how many profiles there are, what is switched on or off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hermes_router.workers.worker_log import FILE_NAME
from tests.kit import FakeModel, FakeTelegram, HermesRoot
from tests.kit.roots import routed
from tests.kit.roots.homes import Home

TOPICS_EACH = 100
"""Topics that are routed to each profile."""

BATCHING = "HERMES_TELEGRAM_TEXT_BATCH_DELAY_SECONDS"
SHORTEST_BATCHING = 0.08
"""The adapter waits that long for more text, whatever smaller value is configured."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the roots of both sides have in common."""

    name: str
    profiles: int = 1
    warm: bool = True
    """Whether the router may prepare anything; nothing to in-process routing."""
    environ: Mapping[str, str] = field(default_factory=dict)
    tool: bool = False
    """Whether profiles and root have a plugin with a tool that runs what it is told."""
    batching: float = 0.0
    """What of the time before the model request is the adapter's batching, and not counted."""
    paced: bool = False
    """Whether the adapter lets a second pass between two messages to a chat, as it is shipped.

    All topics are one chat's. So turns that follow each other would wait for that second, and a
    side would look the better the later it asks to send.
    """
    streaming: bool = False
    """Whether people see an answer grow, by edits of its message."""
    waiting: bool = False
    """Whether messages that came while the gateway was down are answered, and not dropped."""


SHIPPED = Setup("shipped")
PACED = Setup("paced", paced=True)
UNBATCHED = Setup("unbatched", environ={BATCHING: "0"}, batching=SHORTEST_BATCHING)
WIDE = Setup("wide", profiles=4)
COLD = Setup("cold", warm=False)
NEIGHBOURS = Setup("neighbours", profiles=4, tool=True)
MINUTE = tuple(Setup(f"first minute, {number} profiles", profiles=number) for number in (2, 8))
BUSY = Setup("busy", profiles=6, streaming=True)
WAITING = Setup("waiting", profiles=4, waiting=True)
IDLE = tuple(Setup(f"{number} idle", profiles=number) for number in (1, 5, 20, 50))

TOOL = "run_inside"
_UNPACED = """
from gateway.platforms.base import BasePlatformAdapter


def register(context):
    BasePlatformAdapter._telegram_chat_outbound_slot_secs = 0.0
"""
_PLUGIN = f"""
def register(context):
    def run_inside(args, **_more):
        exec(args["code"], {{}})
        return "done"
    properties = {{"code": {{"type": "string"}}}}
    parameters = {{"type": "object", "properties": properties, "required": ["code"]}}
    schema = {{"name": "{TOOL}", "description": "x", "parameters": parameters}}
    context.register_tool("{TOOL}", "bench", schema, run_inside)
"""


def profile_name(number: int) -> str:
    """Return the name of a profile of the benchmark."""
    return f"bench{number}"


def topic(profile: int, number: int) -> int:
    """Return the id of a topic that is routed to a profile."""
    if not 0 <= number < TOPICS_EACH:
        raise ValueError(f"each profile has {TOPICS_EACH} topics")
    return 1000 + profile * TOPICS_EACH + number


def spread(setup: Setup, conversations: int) -> list[int]:
    """Return so many topics, by turns of one profile of the setup after the other."""
    profiles = setup.profiles
    return [topic(number % profiles, number // profiles) for number in range(conversations)]


def _topics(setup: Setup) -> dict[int, str]:
    return {
        topic(profile, number): profile_name(profile)
        for profile in range(setup.profiles)
        for number in range(TOPICS_EACH)
    }


def in_process(root: HermesRoot, setup: Setup) -> None:
    """Let Hermes's own multiplexing gateway serve the topics, without the router."""
    routed.in_process(root, _topics(setup))


def router(root: HermesRoot, setup: Setup) -> None:
    """Let hermes-router serve the topics."""
    routed.by_router(root, _topics(setup))
    if not setup.warm:
        root.configure({"hermes_router": {"warm_budget": {"profiles": 0}}})


A, B = "in-process", "router"
SIDES: dict[str, Callable[[HermesRoot, Setup], None]] = {A: in_process, B: router}


def build(
    base: Path, side: str, setup: Setup, telegram: FakeTelegram, model: FakeModel
) -> HermesRoot:
    """Write the root of a side."""
    root = HermesRoot(base, telegram=telegram, model=model)
    for number in range(setup.profiles):
        root.add_profile(profile_name(number))
    for home in (root, *root.profiles.values()):
        home.configure({"agent": {"environment_probe": True}})  # as people have it
        if setup.streaming:
            home.configure({"streaming": {"enabled": True, "transport": "edit"}})
    if setup.tool:
        for home in (root, *root.profiles.values()):
            _add_plugin(home, "bench", _PLUGIN)
    if not setup.paced:
        _add_plugin(root, "unpaced", _UNPACED)
    if setup.waiting:
        extra = {"drop_pending_on_cold_boot": False}
        root.configure({"platforms": {"telegram": {"extra": extra}}})
    root.extra_environ.update(setup.environ)
    SIDES[side](root, setup)
    return root


def _add_plugin(home: Home, name: str, code: str) -> None:
    folder = home.path / "plugins" / name
    folder.mkdir(parents=True)
    described = f"name: {name}\nversion: 1.0.0\ndescription: x\n"
    (folder / "plugin.yaml").write_text(described, "utf-8")
    (folder / "__init__.py").write_text(code, "utf-8")
    enabled = home.config.get("plugins", {}).get("enabled", [])
    home.configure({"plugins": {"enabled": [*enabled, name]}})


def worker_log(root: HermesRoot, profile: int = 0) -> Path:
    """Return the worker log of a profile."""
    return root.profiles[profile_name(profile)].path / "logs" / FILE_NAME
