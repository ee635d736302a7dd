"""A worker that is told of a message before it comes has the session's agent ready for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway.run import GatewayRunner

from hermes_router.hermes.compat.events import source_fields
from hermes_router.state.observed import write_down
from tests.kit import FakeModel, FakeTelegram, HermesRoot
from tests.kit.probes.built_agents import BuiltAgent, built_agents, note_agents
from tests.kit.roots.homes import Home
from tests.kit.waiting import wait_until
from tests.kit.workers.real_worker import Place, Turn, WorkerKit

pytestmark = pytest.mark.skipif(
    not hasattr(GatewayRunner, "_run_agent_build_turn_context"),
    reason="NOT SHOWN: before 0.21 Hermes builds an agent only in a turn",
)

#: A topic for which the profile has a prompt.
PROMPTED = 7007


@pytest.fixture(scope="module")
def home(root: HermesRoot) -> Home:
    return root.profiles["counted"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[HermesRoot]:
    with FakeTelegram() as telegram:
        root = HermesRoot(tmp_path_factory.mktemp("worker"), telegram=telegram, model=model)
        counted = root.add_profile("counted", model="gpt-of-career")
        note_agents(counted)
        extra = {"channel_prompts": {str(PROMPTED): "Speak of minerals only."}}
        counted.configure({"platforms": {"telegram": {"extra": extra}}})
        yield root


@pytest.fixture(scope="module")
def kit(root: HermesRoot) -> Iterator[WorkerKit]:
    with WorkerKit(root, "counted") as kit:
        yield kit


def expecting(place: Place, home: Home) -> tuple[list[BuiltAgent], Turn]:
    """Tell a worker of a message; return the agents before, and the turn with an agent more."""
    before, turn = built_agents(home), Turn(place)
    turn.expect()
    wait_until(lambda: len(built_agents(home)) == len(before) + 1, 60, "no agent was built")
    return before, turn


def test_the_turn_uses_the_agent_that_was_built_in_advance(
    place: Place, model: FakeModel, home: Home
) -> None:
    place.ask("the word is alabaster")
    seq = model.seq
    before, turn = expecting(place, home)
    assert model.requests(after=seq) == []
    assert turn.calls == []
    turn.say("which word?")
    turn.finish()
    [more] = built_agents(home)[len(before) :]
    assert more.session == before[-1].session
    assert b"alabaster" in model.wait_chat("which word?", after=seq).body


@pytest.mark.parametrize("how", ["adapter's words", "profile's prompt", "overheard"])
def test_it_is_built_once_where_a_place_has_more(
    place: Place, kit: WorkerKit, model: FakeModel, home: Home, how: str
) -> None:
    if how == "profile's prompt":
        place = kit.place(PROMPTED)
    elif how == "adapter's words":
        place.own_words = "[This is the group Lounge.]"
    place.ask("the word is granite")
    if how == "overheard":
        row = {"role": "user", "content": "somebody says slate", "observed": True}
        write_down(kit.home, source_fields(place.source()), row)
    seq = model.seq
    before, turn = expecting(place, home)
    turn.say("which word?")
    turn.finish()
    assert len(built_agents(home)) == len(before) + 1
    asked = model.wait_chat("which word?", after=seq).body
    said = {"adapter's words": b"Lounge", "profile's prompt": b"minerals", "overheard": b"slate"}
    assert said[how] in asked


def test_a_message_that_is_faster_waits_for_the_agent(
    place: Place, model: FakeModel, home: Home
) -> None:
    place.ask("the word is basalt")
    before, seq = built_agents(home), model.seq
    turn = Turn(place)
    turn.expect()
    turn.say("which word?")
    turn.finish()
    assert len(built_agents(home)) == len(before) + 1
    assert b"basalt" in model.wait_chat("which word?", after=seq).body


def test_nothing_is_built_for_a_session_without_a_turn(place: Place, home: Home) -> None:
    before = built_agents(home)
    turn = Turn(place)
    turn.expect()
    turn.say("hello")
    turn.finish()
    assert len(built_agents(home)) == len(before) + 1
    assert turn.returncode == 0
