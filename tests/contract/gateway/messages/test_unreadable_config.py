"""A routed place whose profile's ``config.yaml`` cannot be read: ``/router``, and the record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.in_process import play

#: Gives each command without a list of the gateway's, with a list that names the sender, and with
#: a list that names somebody else.
SCRIPT = """
TEXTS = ("/router", "/platform list")

async def play(router, adapter, say, home):
    broken = home / "profiles" / "career" / "config.yaml"
    broken.write_text("model:\\n\\tdefault: x\\n")
    heard = {}
    for who, extra in LISTS.items():
        router._runner.config.platforms = {Platform("telegram"): SimpleNamespace(extra=extra)}
        for text in TEXTS:
            heard[f"{who}: {text}"] = await router.handle(command(text), original)
    await say("hello")
    return {"heard": heard, "hello": adapter.sent}

def command(text):
    source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                           thread_id="6", user_id="1")
    return MessageEvent(text=text, source=source, message_id=str(next(numbers)))

async def original():
    return "Hermes does it"

LISTS = {
    "no list": {},
    "sender": {"group_allow_admin_from": ["1"]},
    "somebody else": {"group_allow_admin_from": ["2"]},
}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def seen(home: Path) -> dict[str, Any]:
    return play(SCRIPT, home)


def test_only_whom_the_gateways_list_names_sees_who_answers_there(seen: dict[str, Any]) -> None:
    heard = dict(seen["heard"])
    told = heard.pop("sender: /router")
    assert "Answered by: profile career" in told
    assert "Nobody can answer now: the profile has a config.yaml that cannot be read" in told
    for key, answer in heard.items():
        reason = "acts on the gateway" if "somebody" in key else "the config.yaml of this"
        assert answer.startswith("⛔ /"), key
        assert reason in answer, key
    assert len(heard) == 5


def test_the_record_says_in_one_line_what_is_wrong_and_where(
    home: Path, seen: dict[str, Any]
) -> None:
    [told] = seen["hello"]
    assert "config.yaml that cannot be read" in told
    [line] = (home / "hermes-router" / "turns" / "career.jsonl").read_text().splitlines()
    record, file = json.loads(line), home / "profiles" / "career" / "config.yaml"
    assert record["outcome"] == "unusable"
    assert record["error"] == (
        "has a config.yaml that cannot be read; not valid YAML: a tab: YAML allows only spaces "
        f"here; {file}:2:1"
    )
