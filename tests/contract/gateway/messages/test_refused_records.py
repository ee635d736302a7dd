"""A message that no worker gets has a record and a line in the log; a notice of ours names it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.kit.in_process import ROUTES, play

_PLAY = """
from hermes_router.base.errors import CannotBeSent
from hermes_router.hermes import message_handler as handler

async def cannot_be_sent(*_arguments, **_more):
    raise CannotBeSent("it is too long")

async def play(router, adapter, say, home):
    PREPARE
    await say("hello")
    await settled(lambda: adapter.sent and not router._ledger.open)
    return {"told": adapter.sent, "open": len(router._ledger.open)}
"""
#: What keeps the message from a worker: how it is brought about, the notice, outcome and error.
CASES = {
    "drain": (
        "handler.gateway_runner.drained_externally = lambda _runner: True",
        "This agent is draining",
        *("refused", "This agent is draining"),
    ),
    "pause": (
        "handler.emergency_stop.paused_reply = lambda: 'Hermes is paused.'",
        "Hermes is paused.",
        *("refused", "Hermes is paused."),
    ),
    "failure": (
        "handler.Dispatcher.serve = None; router.handle = router.handle_busy",
        "the router failed",
        *("router_failed", "the gateway's log has the error"),
    ),
    "failure before that": (
        "handler.MessageRegister._write = None",
        "the router failed",
        *("router_failed", "the gateway's log has the error"),
    ),
    "too long": (
        "handler.Dispatcher.serve = cannot_be_sent",
        "was not passed on: it is too long",
        *("refused", "it is too long"),
    ),
}
WITH_AN_ID = {"failure", "failure before that", "too long"}


def recorded(home: Path, name: str = "career") -> dict[str, Any]:
    [line] = (home / "hermes-router" / "turns" / f"{name}.jsonl").read_text().splitlines()
    record: dict[str, Any] = json.loads(line)
    return record


@pytest.mark.parametrize("case", CASES)
def test_a_message_that_no_worker_gets_is_recorded(tmp_path: Path, case: str) -> None:
    prepare, notice, outcome, error = CASES[case]
    seen = play(_PLAY.replace("PREPARE", prepare), tmp_path)
    [told] = seen["told"]
    assert notice in told
    assert seen["open"] == 0
    record = recorded(tmp_path)
    assert (record["outcome"], record["place"]) == (outcome, "telegram:-100:6")
    assert error in record["error"]
    named = re.search(r"\[([0-9a-f]{8})\]$", told)
    assert (named is not None) == (case in WITH_AN_ID)
    if named is not None:
        assert named[1] == record["turn"]
    assert seen["original"] == 0


#: Has the guard see a message, as Hermes asks it, where no router works.
_GUARD = """
from hermes_router.hermes import guard, install

async def play(router, adapter, say, home):
    PREPARE
    source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                           thread_id="6", user_id="1")
    event = MessageEvent(text="hello", source=source, message_id="5")
    answer = guard.guard(event, router._runner)
    await settled(lambda: adapter.sent)
    return {"told": adapter.sent, "answer": answer}
"""
_CLOSED = "install._closed.append('this Hermes lacks a point')"
_NO_ROUTES = "gateway: {profile_routes: [telegram]}\n"
_UNREADABLE = ("routes of this bot cannot be read", "refused", "routes cannot be read")
#: Whom the message reaches and what is wrong; where the record is, then as in CASES.
REFUSALS = {
    "closed": (_GUARD.replace("PREPARE", _CLOSED), ROUTES, "career",
               "(this Hermes lacks a point).", "router_failed", "this Hermes lacks a point"),
    "guard without routes": (_GUARD.replace("PREPARE", ""), _NO_ROUTES, "_", *_UNREADABLE),
    "router without routes": (_PLAY.replace("PREPARE", ""), _NO_ROUTES, "_", *_UNREADABLE),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_notice_that_nobody_answers_here_names_its_record(tmp_path: Path, case: str) -> None:
    script, config, name, notice, outcome, error = REFUSALS[case]
    seen = play(script, tmp_path, config)
    [told] = seen["told"]
    record = recorded(tmp_path, name)
    assert notice in told
    assert told.endswith(f" [{record['turn']}]")
    assert (record["outcome"], record["place"]) == (outcome, "telegram:-100:6")
    assert error in record["error"]
    assert seen["original"] == 0
    assert seen.get("answer", {"action": "skip"})["action"] == "skip"


def test_a_refusal_that_cannot_be_recorded_is_told_all_the_same(tmp_path: Path) -> None:
    broken = f"{_CLOSED}; from hermes_router.hermes import refusal; refusal.TurnBook = None"
    [told] = play(_GUARD.replace("PREPARE", broken), tmp_path)["told"]
    assert told.endswith("(this Hermes lacks a point).")


#: The swap's own way to each message: the guard sees neither an event of Hermes's own nor a message
#: of a busy session.
_SWAP = """
from hermes_router.hermes import install

async def play(router, adapter, say, home):
    PREPARE
    runner, seen = router._runner, {}
    async def original(_runner, event, *args): calls.append(event.text)
    async def hand(handle, thread, **fields):
        source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                               thread_id=thread, user_id="1")
        fields = {"text": "hello", "message_id": "5"} | fields
        return await handle(original, runner, MessageEvent(source=source, **fields))
    seen["busy"] = await hand(install._handle_busy, "6")
    seen["own"] = await hand(install._handle_message, "6", internal=True, message_id=None)
    await hand(install._handle_message, "6")
    await hand(install._handle_message, "99")
    await hand(install._handle_message, "99", internal=True, message_id=None)
    return seen | {"told": adapter.sent, "passed on": calls[:]}
"""
_FAILS = "router.handle = router.handle_busy = None; install._routers[router._runner] = router"


@pytest.mark.parametrize(("prepare", "why"), [(_CLOSED, "lacks a point"), (_FAILS, "TypeError")])
def test_whatever_is_wrong_hermes_handles_nothing_of_a_routed_place(
    tmp_path: Path, prepare: str, why: str
) -> None:
    """Each message gets a notice; nobody waits for an answer to an event of Hermes's own."""
    seen = play(_SWAP.replace("PREPARE", prepare), tmp_path)
    assert seen["busy"] is True
    assert [why in told for told in seen["told"]] == [True, True], seen["told"]
    assert seen["passed on"] == ["hello", "hello"]


_WAKE = """
async def play(router, adapter, say, home):
    from hermes_router.hermes.compat.seams.message_sources import event_without_text

    (home / "profiles" / "career" / "config.yaml").write_text("[broken")
    source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                           thread_id="6", user_id="1")
    woken = await router._handler.serve_wake(event_without_text(source), "career")
    return {"woken": woken, "told": adapter.sent}
"""


def test_a_recurring_prompt_of_a_profile_that_cannot_be_used_tells_nobody(tmp_path: Path) -> None:
    """It is tried again each minute, and nobody in the chat waits for it."""
    seen = play(_WAKE, tmp_path)
    assert (seen["woken"], seen["told"]) == (False, [])


#: The adapter raises whenever the router says something.
_RAISES = """
import shutil

async def play(router, adapter, say, home):
    served = []
    async def serve(event, conversation, track, **_more):
        served.append(event.text)
        track.told = True
    router._handler._serve = serve
    async def send(chat_id, text, metadata=None):
        adapter.sent.append(text)
        raise OSError("no such luck")
    adapter.send = send
    entry = None
    if PROFILE:
        (home / "profiles" / "career" / "config.yaml").write_text("[broken")
        source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                               thread_id="6", user_id="1")
        from hermes_router.state.ledger import Identity
        entry = router._ledger.accept(Identity(platform="telegram", chat_id="-100"),
                                      profile="career", session="key", source={})
        metadata = {"hermes_router_entry": entry.id}
        event = MessageEvent(text="left open", source=source, metadata=metadata)
        await router.handle(event, None)
    else:
        folder = home / "hermes-router"
        shutil.rmtree(folder)
        folder.touch()  # a file where the ledger's folder must be
        await say("hello")
    return {"served": served, "said": len(adapter.sent), "open": len(router._ledger.open)}
"""


@pytest.mark.parametrize(("profile", "served"), [(False, ["hello"]), (True, [])])
def test_an_adapter_that_raises_at_a_notice_costs_no_message_and_leaves_none_open(
    tmp_path: Path, served: list[str], *, profile: bool
) -> None:
    seen = play(f"PROFILE = {profile}\n{_RAISES}", tmp_path)
    assert (seen["served"], seen["said"], seen["open"]) == (served, 1, 0)
