"""Hooks of newer Hermes fire once for a routed message, in the process where they belong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hermes_cli.plugins import VALID_HOOKS

from hermes_router.relay.hooks import HOOKS, Fires
from tests.gateway.conftest import (
    ANSWER_SECONDS,
    CAREER,
    SYSTEMS,
    Stage,
    build_stage,
    open_messages,
    start_cold,
)
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.model.directives import tool
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.skipif(
    "post_gateway_admission" not in VALID_HOOKS, reason="Hermes has these hooks from 0.21 on"
)

PLUGIN = """
import json, os
from pathlib import Path

SEEN = Path(__file__).parent / "seen"


def note(hook):
    def noted(**payload):
        words = ("text", "command", "surface", "coalesced")
        text = " ".join(str(payload[word]) for word in words if word in payload)
        with SEEN.open("a") as seen:
            seen.write(json.dumps([hook, os.getpid(), text]) + "\\n")

    return noted


async def admit(**payload):
    note("post_gateway_admission")(**payload)
    if "for the plugin" in payload["text"]:
        reply = {"reply": "the plugin answers"} if "aloud" in payload["text"] else {}
        return {"action": "handled"} | reply


def register(ctx):
    for hook in HOOKS:
        ctx.register_hook(hook, note(hook))
    ctx.register_hook("post_gateway_admission", admit)
"""

OF_A_MESSAGE = ("pre_gateway_dispatch", "pre_llm_call", "on_stream_start", "on_stream_end")
OF_AN_APPROVAL = (
    "pre_approval_request",
    "post_approval_response",
    "on_human_input_request",
    "on_human_input_resolved",
)
HEARD = (*OF_A_MESSAGE, *OF_AN_APPROVAL, "pre_command")


def add_plugin(home: Path) -> None:
    folder = home / "plugins" / "hears"
    folder.mkdir(parents=True)
    (folder / "plugin.yaml").write_text("name: hears\nversion: 1.0.0\ndescription: notes\n")
    (folder / "__init__.py").write_text(f"HOOKS = {HEARD!r}\n{PLUGIN}")


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = start_cold(build_stage(tmp_path_factory.mktemp("stage"), telegram, model), "systems")
    career = stage.root.profiles["career"]
    stage.root.configure({"plugins": {"enabled": ["hermes-router", "hears"]}})
    # Where a model looks at a command first, Hermes tells of that by one of these hooks, too.
    career.configure({"plugins": {"enabled": ["hears"]}, "approvals": {"mode": "manual"}})
    for home in (stage.root.path, career.path):
        add_plugin(home)
    return stage


class Heard:
    """What the plugins of two homes hear from now on: hook, process, text."""

    def __init__(self, stage: Stage) -> None:
        homes = {"gateway": stage.root.path, "career": stage.root.profiles["career"].path}
        self._files = {name: home / "plugins" / "hears" / "seen" for name, home in homes.items()}
        self._before = {name: len(self._lines(name)) for name in homes}

    def _lines(self, name: str) -> list[str]:
        file = self._files[name]
        return file.read_text().splitlines() if file.exists() else []

    def by(self, name: str) -> list[tuple[str, int, str]]:
        return [tuple(json.loads(line)) for line in self._lines(name)[self._before[name] :]]

    def hooks(self, name: str) -> Counter[str]:
        return Counter(hook for hook, _pid, _text in self.by(name))


def test_what_a_message_fires_is_heard_once_and_in_the_worker(stage: Stage) -> None:
    heard = Heard(stage)
    stage.ask("hear this", CAREER, contains="hear this")
    stage.wait_settled("career")
    worker = stage.worker_in_turn("career")
    once = Counter([*OF_A_MESSAGE, "post_gateway_admission"])
    assert heard.hooks("career") == once
    assert {pid for _hook, pid, _text in heard.by("career")} == {worker}
    in_both = Counter(hook for hook in once if HOOKS[hook].fires is Fires.EACH)
    assert heard.hooks("gateway") == in_both
    assert {pid for _hook, pid, _text in heard.by("gateway")} == {stage.gateway.pid}


def test_a_command_is_heard_where_it_acts(stage: Stage) -> None:
    heard = Heard(stage)
    stage.ask("/profile", CAREER, contains="career")
    stage.wait_settled("career")
    assert heard.hooks("career")["pre_command"] == 1
    assert heard.hooks("gateway")["pre_command"] == 0
    heard = Heard(stage)
    stage.ask("/platform list", CAREER)
    assert heard.hooks("gateway")["pre_command"] == 1
    assert heard.hooks("career")["pre_command"] == 0


def test_an_approval_is_heard_once_and_in_the_worker(stage: Stage) -> None:
    heard, seq = Heard(stage), stage.telegram.seq
    asked = tool("terminal", command="rm -r precious")
    prompt = stage.prompted(asked, CAREER)
    stage.telegram.click(prompt, "Deny")
    stage.telegram.wait_reply(FORUM, CAREER, contains="tool said", after=seq, timeout=150)
    stage.wait_settled("career")
    told = [line for line in heard.by("career") if line[0] in OF_AN_APPROVAL]
    assert Counter(hook for hook, *_ in told) == dict.fromkeys(OF_AN_APPROVAL, 1), told
    assert {pid for _hook, pid, _text in told} == {stage.worker_in_turn("career")}
    assert not set(heard.hooks("gateway")) & set(OF_AN_APPROVAL)


def test_a_plugin_of_the_profile_may_answer_a_message_itself(stage: Stage) -> None:
    asked = stage.model.seq
    told = stage.ask("aloud, for the plugin", CAREER)
    assert told.text == "the plugin answers"
    stage.wait_settled("career")
    assert stage.model.requests("chat", after=asked) == []


def test_a_plugin_of_the_profile_may_take_a_message_in_silence(stage: Stage) -> None:
    asked, seq, heard = stage.model.seq, stage.telegram.seq, Heard(stage)
    stage.telegram.say("silent, for the plugin", chat_id=FORUM, thread_id=CAREER)
    wait_until(lambda: heard.hooks("career")["post_gateway_admission"] == 1, ANSWER_SECONDS)
    ledger = stage.root.path / "hermes-router" / "ledger.jsonl"
    wait_until(lambda: not open_messages(ledger), 120)
    stage.wait_settled("career")
    assert stage.model.requests("chat", after=asked) == []
    stage.ask("another", SYSTEMS, contains="another")
    assert [m.text for m in stage.telegram.transcript(FORUM, CAREER) if m.seq > seq] == []
