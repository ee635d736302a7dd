"""Judging what was seen: one check per claim, with what was expected. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.tools.demo.play import Observation, lines
from tests.tools.demo.stage import KEYS, MODELS, WHO


@dataclass(frozen=True, slots=True)
class Check:
    """One claim about the demo; `details` say what was expected and what came instead."""

    claim: str
    details: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return not self.details


@dataclass(frozen=True, slots=True)
class World:
    """What a right answer depends on: the demo's folder, the bot, the gateway's process."""

    base: Path
    token: str
    gateway_pid: int

    def home(self, profile: str) -> Path:
        """Return a profile's Hermes home."""
        root = self.base / "hermes"
        return root if profile == "default" else root / "profiles" / profile

    def tool_home(self, profile: str) -> Path:
        """Return HOME of what a profile starts: the default one has the user's."""
        return (self.base if profile == "default" else self.home(profile)) / "home"

    def cwd(self, profile: str) -> Path:
        """Return where a profile works: Hermes's default one in the user's home."""
        named = self.home(profile) / "workspace"
        return self.tool_home(profile) if profile == "default" else named


def judge(world: World, seen: Sequence[Observation]) -> list[Check]:
    """Judge the conversations, claim by claim, over all places."""
    claims = {
        "every message was answered in its own place, by the one bot": _answered,
        "/profile names the right profile and its home": _profile,
        "each profile asked its own model with its own key": _model,
        "HOME and working directory are the profile's own": _folders,
        "routed places run in a worker of their own, the others in the gateway": _process,
        "each place remembers its own name for you, and no other place's": _memory,
    }
    return [
        Check(claim, tuple(text for place in seen for text in find(world, place)))
        for claim, find in claims.items()
    ] + [Check("no two places share a worker", tuple(_shared(seen)))]


def _differs(what: str, place: Observation, expected: object, got: object) -> Iterator[str]:
    if expected != got:
        yield f"{place.place.label}: {what}: expected {expected or 'none'}, got {got or 'none'}"


def _answered(world: World, seen: Observation) -> Iterator[str]:
    silent = [e.said for e in seen.exchanges if not e.answer]
    yield from _differs("messages without an answer", seen, [], silent)
    if len(seen.posted) != len(lines(seen.place)):
        texts = f"{len(seen.posted)}: {list(seen.posted)}"
        yield from _differs("messages of bots", seen, len(lines(seen.place)), texts)
    yield from _differs("bots", seen, {world.token}, set(seen.bots))


def _profile(world: World, seen: Observation) -> Iterator[str]:
    answer = seen.answer("/profile")
    home = world.home(seen.place.profile)
    # A Hermes that came without its catalogs says the text's key, "Profile home".
    for wanted in ((f"Profile: {seen.place.profile}",), (f"Home: {home}", f"Profile home {home}")):
        if not any(line.endswith(wanted) for line in answer.splitlines()):
            yield from _differs("/profile", seen, wanted[0], answer.replace("\n", " | "))


def _model(world: World, seen: Observation) -> Iterator[str]:
    own = {(MODELS[seen.place.profile], KEYS[seen.place.profile])}
    yield from _differs("model and key", seen, own, set(seen.asked))


def _folders(world: World, seen: Observation) -> Iterator[str]:
    profile = seen.place.profile
    yield from _differs("HOME", seen, str(world.tool_home(profile)), seen.told("HOME"))
    yield from _differs("cwd", seen, str(world.cwd(profile)), seen.told("cwd"))


def _process(world: World, seen: Observation) -> Iterator[str]:
    if not seen.place.routed:
        yield from _differs("pid", seen, world.gateway_pid, seen.pid)
        return
    if seen.pid is None or seen.pid not in seen.worker_pids or seen.pid == world.gateway_pid:
        expected = f"one of its workers, {sorted(seen.worker_pids)}"
        yield from _differs("pid", seen, expected, seen.pid)
    if len(seen.worker_pids) < len(seen.exchanges):
        yield from _differs("workers", seen, len(seen.exchanges), len(seen.worker_pids))


def _memory(world: World, seen: Observation) -> Iterator[str]:
    yield from _differs(f'"{WHO}"', seen, f"You are {seen.place.name}.", seen.answer(WHO))


def _shared(seen: Sequence[Observation]) -> Iterator[str]:
    routed = [s for s in seen if s.place.routed]
    for at, one in enumerate(routed):
        for other in routed[at + 1 :]:
            common = set(one.worker_pids & other.worker_pids)
            yield from _differs(f"workers shared with {other.place.label}", one, set(), common)
