"""Hermes's send engine led to a transport, with the real engine and the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes.sending import directory
from hermes_router_worker.send import engine
from hermes_router_worker.send.command import default_to_origin

HOME = msg.Place(platform="telegram", chat_id="-100", thread_id="7", name="home")
ORIGIN = msg.Place(platform="telegram", chat_id="-200", thread_id="8", name="here")

CODE = """
import json, sys
from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes.sending import tools
from hermes_router_worker.send import engine
from cron import scheduler

class Noting:
    def __init__(self, name=""):
        self.name = name
    async def deliver(self, target, text, *, files, as_documents):
        print(json.dumps([target.platform, target.chat_id, target.thread_id, self.name + text]))
        return {"success": True, "message_id": "1"}
    async def react(self, target, *, emoji, message_id):
        print(json.dumps([target.platform, target.chat_id, target.thread_id, emoji]))
        return {"success": True}

scope = msg.decode_to_child(sys.stdin.buffer.read()).delivery_scope
engine.install(Noting(), scope)
from tools import send_message_tool as tool
from tools.registry import registry
for arguments in json.loads(sys.argv[1]):
    if arguments.get("cron"):
        job = {"id": "one", "name": "one", "deliver": arguments["cron"], "origin": None}
        print("cron", scheduler._deliver_result(job, "from cron"))
    elif arguments.get("said_to"):
        print(tool.send_message_tool(arguments["said_to"]))
    elif arguments.get("offered"):
        print("offered", registry.get_entry(tools.NAME) is not None)
    elif name := arguments.pop("by", None):
        engine.install(Noting(name), scope)
        registry.dispatch(tools.NAME, arguments)
    else:
        tool.send_message_tool(arguments)
"""


def test_two_workers_that_start_at_once_both_keep_what_they_add_to_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    read, threads = directory._read, list[Thread]()

    def read_meanwhile(path: Path) -> dict[str, Any]:
        found = read(path)
        if not threads:
            threads.append(Thread(target=engine._add_to_directory, args=([ORIGIN],)))
            threads[0].start()
            threads[0].join(0.5)  # for ever, if the other worker has to wait for this one
        return found

    monkeypatch.setattr(directory, "_read", read_meanwhile)
    engine._add_to_directory([HOME])
    threads[0].join(60)
    entries = read(tmp_path / "channel_directory.json")["platforms"]["telegram"]
    assert [entry["name"] for entry in entries] == ["home", "here"]


def sent(tmp_path: Path, scope: msg.DeliveryScope, *arguments: dict[str, Any]) -> list[Any]:
    """Have a process with that scope send; return what the transport was given."""
    home = tmp_path / "profiles" / "career"
    home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(arguments)],
        input=msg.encode(msg.Told(delivery_scope=scope)),
        capture_output=True,
        env={"HERMES_HOME": str(home), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    return [json.loads(line) if line.startswith("[") else line for line in lines]


def scope(**fields: Any) -> msg.DeliveryScope:
    known: dict[str, Any] = {
        "platforms": ["telegram"],
        "homes": [HOME],
        "places": [HOME],
        "tool": True,
    }
    return msg.DeliveryScope(**known | fields)


def test_a_target_without_a_place_means_the_conversation_or_the_home(tmp_path: Path) -> None:
    text = {"message": "hello"}
    every = [text | {"target": "telegram"}, text | {"target": "origin"}, text]
    assert sent(tmp_path, scope(), *every) == [["telegram", "-100", "7", "hello"]] * 3
    inside = scope(origin=ORIGIN)
    assert sent(tmp_path, inside, *every) == [["telegram", "-200", "8", "hello"]] * 3


def test_a_chat_without_a_thread_means_the_thread_that_the_profile_may_use(tmp_path: Path) -> None:
    near = {"target": "telegram:-100", "message": "near"}
    named = {"target": "telegram:home", "message": "by name"}
    far = {"target": "telegram:-300:4", "message": "far"}
    assert sent(tmp_path, scope(), near, named, far) == [
        ["telegram", "-100", "7", "near"],
        ["telegram", "-100", "7", "by name"],
        ["telegram", "-300", "4", "far"],
    ]


def test_cron_delivers_by_the_same_transport(tmp_path: Path) -> None:
    said = sent(tmp_path, scope(), {"cron": "telegram"}, {"cron": "telegram:-100"})
    places = [line[:3] for line in said if isinstance(line, list)]
    assert places == [["telegram", "-100", "7"]] * 2
    assert [line for line in said if isinstance(line, str)] == ["cron None"] * 2


def test_a_reaction_goes_where_a_message_would(tmp_path: Path) -> None:
    reaction = {"action": "react", "target": "telegram", "emoji": "👍"}
    assert sent(tmp_path, scope(), reaction) == [["telegram", "-100", "7", "👍"]]


def test_the_tool_is_offered_to_who_may_have_it(tmp_path: Path) -> None:
    assert sent(tmp_path, scope(), {"offered": True}) == ["offered True"]
    assert sent(tmp_path, scope(tool=False), {"offered": True}) == ["offered False"]


def test_an_offered_tool_sends_by_the_newest_transport(tmp_path: Path) -> None:
    text = {"target": "telegram", "message": "hello"}
    said = sent(tmp_path, scope(), text, text | {"by": "2nd: "}, text | {"by": "3rd: "})
    assert [line[3] for line in said] == ["hello", "2nd: hello", "3rd: hello"]


def test_the_list_of_places_needs_no_target(tmp_path: Path) -> None:
    (said,) = sent(tmp_path, scope(), {"said_to": {"action": "list"}})
    assert "home" in json.loads(said)["targets"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["send", "hello"], ["send", "--to", "origin", "hello"]),
        (["send", "-s", "About", "hello"], ["send", "--to", "origin", "-s", "About", "hello"]),
        (["send", "-t", "telegram", "hello"], None),
        (["send", "--to=telegram", "hello"], None),
        (["send", "--list"], None),
        (["send", "--", "--to"], ["send", "--to", "origin", "--", "--to"]),
        (["status"], None),
    ],
)
def test_hermes_send_without_a_target_means_the_origin(
    words: list[str], expected: list[str] | None
) -> None:
    argv = ["hermes", *words]
    default_to_origin(argv)
    assert argv == ["hermes", *(expected or words)]
