"""A turn in which Hermes fails outside the agent's run has failed, and its text has its id."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hermes_router.protocol import messages as msg
from tests.kit import FakeModel, FakeTelegram, HermesRoot
from tests.kit.state.damaged import unreadable_messages
from tests.kit.workers.real_worker import Turn, WorkerKit

LEASED, AFTERWARDS, RAISES, WORDLESS, IN_RUN = 1, 2, 3, 4, 5
"""The topics in which the plugin makes Hermes fail, each in its own way."""

PLUGIN = f"""
import sqlite3

def register(ctx):
    from gateway.run import GatewayRunner
    opens, ends = GatewayRunner._hmwa_open_session, GatewayRunner._hmwa_post_turn_hooks
    runs = GatewayRunner._run_agent

    async def open_session(self, entry, session_key, source):
        if source.thread_id == "{LEASED}":
            await self._turn_leases.acquire(
                entry.session_id, owner_key="another", generation=1, timeout=1.0
            )
        if source.thread_id == "{RAISES}":
            raise RuntimeError("no session\\ntoday: sk-proj-abcdefghijklmnopqrstuvwxyz0123456789")
        if source.thread_id == "{WORDLESS}":
            raise KeyError
        return await opens(self, entry, session_key, source)

    async def run_agent(self, *args, source, **kwargs):
        if source.thread_id == "{IN_RUN}":
            raise RuntimeError("no agent today")
        return await runs(self, *args, source=source, **kwargs)

    async def end_turn(self, context, result, response):
        if context["thread_id"] == "{AFTERWARDS}":
            raise sqlite3.OperationalError("disk I/O error")
        return await ends(self, context, result, response)

    GatewayRunner._hmwa_open_session = open_session
    GatewayRunner._run_agent = run_agent
    GatewayRunner._hmwa_post_turn_hooks = end_turn
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[WorkerKit]:
    """Workers of a profile with a plugin that makes Hermes fail in some topics."""
    with FakeTelegram() as telegram:  # a root has a bot; nobody here connects to it
        root = HermesRoot(tmp_path_factory.mktemp("failing"), telegram=telegram, model=model)
        profile = root.add_profile("career", model="gpt-of-career")
        profile.add_plugin("fails", PLUGIN)
        with (profile.path / ".env").open("a") as env:
            env.write("\nHERMES_TURN_LEASE_TIMEOUT=1\n")
        with WorkerKit(root, "career") as kit:
            yield kit


def results(turn: Turn) -> list[msg.RunResult]:
    turn.wait_gone()
    return [one for one in turn.messages if isinstance(one, msg.RunResult)]


def failed(turn: Turn) -> str:
    """Return why Hermes failed in a turn; what it said of that ends in the turn's id, once."""
    last = results(turn)[-1]
    assert last.outcome == "hermes_failed"
    assert "\n" not in last.error
    words, bracket, turn_id = turn.said.strip().rpartition(" [")
    assert words
    assert bracket + turn_id == f" [{turn.turn_id}]"
    assert words.count(turn.turn_id) == 0
    return last.error


def test_a_transcript_that_cannot_be_read(kit: WorkerKit, model: FakeModel) -> None:
    place = kit.place(20)
    assert "remember this" in place.ask("remember this")
    seq = model.seq
    with unreadable_messages(kit.home, "remember this"):
        error = failed(place.say("what did I say?"))
    assert error.startswith("the session's history could not be read: OperationalError: ")
    assert "UTF-8" in error
    assert model.requests("chat", after=seq) == []
    assert [one.outcome for one in results(place.say("what did I say?"))] == ["answered"]


def test_another_turn_that_holds_the_session(kit: WorkerKit) -> None:
    error = failed(kit.place(LEASED).say("is anybody there?"))
    assert error == "another turn of the session did not end in time"


def test_an_error_after_the_agents_run(kit: WorkerKit) -> None:
    turn = kit.place(AFTERWARDS).say("good evening")
    assert failed(turn) == "an error outside the agent's run: OperationalError: disk I/O error"
    answered, after = results(turn)
    assert (answered.outcome, answered.model) == ("answered", "gpt-of-career")
    assert (after.calls, after.input_tokens, after.cost) == (0, 0, None)


def test_an_error_before_the_agents_run(kit: WorkerKit) -> None:
    error = failed(kit.place(RAISES).say("good night"))
    assert error.startswith("RuntimeError: no session today: ")
    assert "abcdefghijklmnopqrstuvwxyz" not in error


def test_an_error_without_words(kit: WorkerKit) -> None:
    assert failed(kit.place(WORDLESS).say("good night")) == "KeyError"


@pytest.mark.parametrize("thread", [21, IN_RUN])
def test_a_failure_in_the_agents_run_is_told_once(kit: WorkerKit, thread: int) -> None:
    turn = kit.place(thread).say("[[error 400]] now")
    [result] = results(turn)
    assert result.outcome == "model_failed"
    assert ("no agent today" in result.error) is (thread == IN_RUN)
    assert turn.said.count(turn.turn_id) == 1
