"""Sending from a routed profile that holds no token: by the gateway, where the policy lets it."""

from __future__ import annotations

import json
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, USER, FakeModel, FakeTelegram
from tests.kit.state.files import PICTURE
from tests.kit.waiting import wait_until

SECOND = 7
"""Another topic that is routed to `career`."""
LENT = 21
"""A topic that is nobody's, and allowed to `career` by its settings."""
GONE = 8
"""A topic of `career` that will be deleted."""

PLUGIN = """
import asyncio, json, os, signal
from pathlib import Path

HOME = Path(os.environ["HERMES_HOME"])


def die_in(name):
    # Die once, in this function of Hermes's ledger, where the test asked for it.
    from gateway import delivery_ledger
    original = getattr(delivery_ledger, name)

    def dying(*args):
        if name == "mark_attempting":
            original(*args)
        try:
            (HOME / f"die-in-{name}").unlink()
        except FileNotFoundError:
            return None if name == "mark_attempting" else original(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(delivery_ledger, name, dying)


def register(ctx):
    die_in("mark_attempting")
    die_in("mark_delivered")
    async def send(raw):
        from tools.send_message_tool import send_message_tool
        return await asyncio.to_thread(send_message_tool, json.loads(raw))

    ctx.register_command("engine", send, "calls the send engine")
"""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    routes = {str(thread): "career" for thread in (SECOND, GONE)}
    settings = {"deliver": [f"telegram:{FORUM}:{LENT}"], "send_tool": True}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
            "hermes_router": {"profiles": {"career": settings}},
        }
    )
    for thread in (SECOND, GONE, LENT):
        telegram.add_topic(thread, f"topic {thread}")
    home = stage.root.profiles["career"]
    home.configure({"plugins": {"enabled": ["engine"]}, "approvals": {"mode": "off"}})
    folder = home.path / "plugins" / "engine"
    folder.mkdir(parents=True)
    (folder / "plugin.yaml").write_text("name: engine\nversion: 1.0.0\ndescription: sends\n")
    (folder / "__init__.py").write_text(PLUGIN)
    return stage


def engine(stage: Stage, thread: int = CAREER, **arguments: Any) -> dict[str, Any]:
    """Have a worker of `career` call Hermes's send engine; return what that returned."""
    reply = stage.ask(f"/engine {json.dumps(arguments)}", thread, contains="{")
    answer: dict[str, Any] = json.loads(reply.text)
    return answer


def plain(text: str) -> str:
    """Return a text without what a platform's markup escapes."""
    return "".join(letter for letter in text if letter.isalnum())


def arrived(stage: Stage, text: str) -> list[tuple[int | None, int | None]]:
    """Return the places where a text was sent to."""
    calls = stage.telegram.calls("sendMessage", "sendPhoto", "sendDocument", "sendAudio")
    return [call.place for call in calls if text in (call.text or "")]


@pytest.mark.parametrize("target", ["", "telegram", "origin", f"telegram:{FORUM}:{SECOND}"])
def test_the_engine_sends_to_the_conversation_that_it_is_called_in(
    stage: Stage, target: str
) -> None:
    mark = plain(f"itself by {target}")
    answer = engine(stage, SECOND, target=target, message=mark)
    assert answer.get("success"), answer
    assert arrived(stage, mark) == [(FORUM, SECOND)]


def test_a_chat_without_its_thread_is_the_conversation_itself(stage: Stage) -> None:
    assert engine(stage, target=f"telegram:{FORUM}", message="threadless").get("success")
    assert arrived(stage, "threadless") == [(FORUM, CAREER)]


def test_the_engine_sends_to_another_conversation_of_its_profile(stage: Stage) -> None:
    target = f"telegram:{FORUM}:{SECOND}"
    assert engine(stage, target=target, message="to my other topic").get("success")
    assert arrived(stage, "to my other topic") == [(FORUM, SECOND)]


def test_the_engine_sends_where_the_settings_let_it(stage: Stage) -> None:
    assert engine(stage, target=f"telegram:{FORUM}:{LENT}", message="to the lent one").get(
        "success"
    )
    assert arrived(stage, "to the lent one") == [(FORUM, LENT)]


@pytest.mark.parametrize("target", [f"{FORUM}:{SYSTEMS}", f"{FORUM}:{UNROUTED}", str(USER), "77"])
def test_the_engine_sends_nowhere_else_and_says_so(stage: Stage, target: str) -> None:
    mark = plain(f"not mine {target}")
    answer = engine(stage, target=f"telegram:{target}", message=mark)
    assert "not routed to it" in answer["error"]
    assert "hermes_router.profiles.career.deliver" in answer["error"]
    assert arrived(stage, mark) == []
    stage.gateway.wait_log(f"may not send to telegram:{target}", log="agent.log")


def test_a_long_text_arrives_whole(stage: Stage) -> None:
    words = " ".join(f"word{number}" for number in range(1500))
    assert engine(stage, target=f"telegram:{FORUM}:{LENT}", message=words).get("success")
    texts = [
        call.text or ""
        for call in stage.telegram.calls("sendMessage")
        if call.place == (FORUM, LENT) and "word" in (call.text or "")
    ]
    assert len(texts) > 2
    assert all(f"word{number}" in " ".join(texts).split() for number in range(1500))


def test_a_file_arrives_with_its_bytes(stage: Stage) -> None:
    path = stage.root.profiles["career"].path / "workspace" / "chart.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(PICTURE)
    seq = stage.telegram.seq
    answer = engine(stage, target=f"telegram:{FORUM}:{LENT}", message=f"The chart\nMEDIA:{path}")
    assert answer.get("success"), answer
    call = next(call for call in stage.telegram.calls(after=seq) if call.files)
    assert (call.method, call.place) == ("sendPhoto", (FORUM, LENT))
    assert call.files[0].content == PICTURE
    assert "The chart" in (call.text or "")


def test_another_profiles_file_is_not_sent(stage: Stage) -> None:
    secret = Path(stage.root.profiles["systems"].path) / "notes.txt"
    secret.write_text("SECRET=of-systems\n")
    seq = stage.telegram.seq
    engine(stage, target="telegram", message=f"See MEDIA:{secret}")
    assert not any(call.files for call in stage.telegram.calls(after=seq))


def test_a_topic_that_is_gone_is_reported_and_its_chat_gets_nothing(stage: Stage) -> None:
    stage.telegram.delete_topic(GONE)
    answer = engine(stage, target=f"telegram:{FORUM}:{GONE}", message="to the lost one")
    assert "thread not found" in answer["error"].lower()
    assert all(place == (FORUM, GONE) for place in arrived(stage, "to the lost one"))


def test_the_profile_holds_no_token(stage: Stage) -> None:
    token = stage.root.token.encode()
    home = stage.root.profiles["career"].path
    holding = [path for path in home.rglob("*") if path.is_file() and token in path.read_bytes()]
    assert holding == []


# -- by the command in the agent's terminal ----------------------------------------------------

SCRIPT = """#!/bin/sh
hermes send --to telegram fromscript
python3 detached.py
"""
DETACHED = """
import os, subprocess
ended, ending = os.pipe()
if os.fork() == 0:  # a daemon, which no process of the worker is the parent of
    os.setsid()
    if os.fork() == 0:
        subprocess.run(["hermes", "send", "--to", "telegram", "fromdaemon"], check=True)
    os._exit(0)
os.close(ending)
os.read(ended, 1)
"""


def run(stage: Stage, command: str, thread: int = CAREER) -> str:
    """Have the agent run a command in its terminal; return what it read."""
    step = json.dumps({"command": command})
    return stage.ask(f"run it [[tool terminal {step}]]", thread, contains="tool said").text


def test_hermes_send_reaches_the_conversation_that_its_process_works_for(stage: Stage) -> None:
    workspace = stage.root.profiles["career"].path / "workspace"
    (workspace / "script.sh").write_text(SCRIPT)
    (workspace / "detached.py").write_text(DETACHED)
    said = run(stage, "bash -lc 'hermes send fromlogin'; sh script.sh", SECOND)
    for way in ("login", "script", "daemon"):
        assert arrived(stage, f"from{way}") == [(FORUM, SECOND)], (way, said)


def test_hermes_send_is_refused_elsewhere_with_an_exit_status(stage: Stage) -> None:
    said = run(stage, f"hermes send --to telegram:{FORUM}:{SYSTEMS} notmine; echo status=$?")
    assert "not routed to it" in said
    assert "status=1" in said
    assert arrived(stage, "notmine") == []


def test_a_program_that_the_agent_runs_can_send_a_file(stage: Stage) -> None:
    path = stage.root.profiles["career"].path / "workspace" / "numbers.csv"
    path.write_bytes(b"1,2,3\n" * 100_000)
    seq = stage.telegram.seq
    send = ["hermes", "send", "--to", "telegram", f"MEDIA:{path}"]
    (path.parent / "send.py").write_text(f"import subprocess; subprocess.run({send!r})")
    said = run(stage, "python3 send.py", SECOND)
    uploads = [call for call in stage.telegram.calls(after=seq) if call.files]
    assert [(call.method, call.place) for call in uploads] == [("sendDocument", (FORUM, SECOND))], (
        said
    )
    assert uploads[0].files[0].content == path.read_bytes()


MCP_CLIENT = """
import json, subprocess
server = subprocess.Popen(["hermes", "mcp", "serve"], stdin=-1, stdout=-1, text=True)
def say(method, **more):
    print(json.dumps({"jsonrpc": "2.0", "method": method, **more}), file=server.stdin, flush=True)
client = {"name": "test", "version": "1"}
hello = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client}
say("initialize", id=1, params=hello)
server.stdout.readline()
say("notifications/initialized")
call = {"target": "telegram", "message": "frommcp"}
say("tools/call", id=2, params={"name": "messages_send", "arguments": call})
print(server.stdout.readline())
server.kill()
"""


def test_hermes_own_mcp_server_sends_when_the_agents_programs_use_it(stage: Stage) -> None:
    (stage.root.profiles["career"].path / "workspace" / "client.py").write_text(MCP_CLIENT)
    said = run(stage, "timeout 100 python3 client.py", SECOND)
    assert arrived(stage, "frommcp") == [(FORUM, SECOND)], said


def test_a_process_of_the_same_user_that_is_not_the_workers_is_turned_away(stage: Stage) -> None:
    workspace = stage.root.profiles["career"].path / "workspace"
    wait = "for i in $(seq 600); do [ -e go ] && break; sleep 0.1; done"
    step = json.dumps({"command": f"echo $HERMES_ROUTER_SEND > address; {wait}; echo went"})
    seq = stage.telegram.seq
    stage.telegram.say(f"wait [[tool terminal {step}]]", chat_id=FORUM, thread_id=CAREER)
    address = workspace / "address"
    wait_until(
        lambda: address.exists() and address.read_text().endswith("send\n"), 120, "no address"
    )
    path = Path(address.read_text().strip())
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        assert connection.recv(1) == b""
    (workspace / "go").touch()
    stage.telegram.wait_reply(FORUM, CAREER, contains="went", after=seq, timeout=150)
    stage.wait_settled("career")
    assert "its connection was closed" in stage.worker_log("career")
    assert not path.exists()


# -- what is owed ------------------------------------------------------------------------------


def owed(stage: Stage) -> list[tuple[str, str]]:
    """Return content and state of the replies in the ledger of `career`, oldest first."""
    database = stage.root.profiles["career"].path / "state.db"
    with sqlite3.connect(database, timeout=30) as connection:
        rows = connection.execute(
            "SELECT content, state FROM delivery_obligations ORDER BY created_at"
        ).fetchall()
    connection.close()
    return rows


def ask_and_die(stage: Stage, moment: str, text: str, *, hears: str) -> None:
    """Say something to a worker that dies at a moment of its reply; wait for what is heard."""
    (stage.root.profiles["career"].path / f"die-in-{moment}").touch()
    stage.ask(text, CAREER, contains=hears)
    stage.wait_settled("career")


def test_a_reply_that_arrived_before_its_worker_died_is_not_sent_again(stage: Stage) -> None:
    seq = stage.telegram.seq
    ask_and_die(stage, "mark_delivered", "arrivedfirst", hears="echo: arrivedfirst")
    stage.ask("and then", SECOND, contains="and then")
    stage.wait_settled("career")
    assert arrived(stage, "echo: arrivedfirst") == [(FORUM, CAREER)]
    assert ("echo: arrivedfirst", "delivered") in owed(stage)
    assert [m.text for m in stage.telegram.transcript(FORUM, CAREER) if m.seq > seq] == [
        "echo: arrivedfirst"
    ]


def test_a_reply_that_its_worker_could_not_send_is_sent_once_by_the_next(stage: Stage) -> None:
    ask_and_die(stage, "mark_attempting", "owedreply", hears="stopped unexpectedly")
    assert arrived(stage, "echo: owedreply") == []
    for text in ("the next", "and another"):
        stage.ask(text, SECOND, contains=text)
        stage.wait_settled("career")
    assert arrived(stage, "echo: owedreply") == [(FORUM, CAREER)]
    assert "Recovered reply" in next(
        call.text or ""
        for call in stage.telegram.calls("sendMessage")
        if "echo: owedreply" in (call.text or "")
    )
    assert ("echo: owedreply", "delivered") in owed(stage)


# -- home channel, names, mirror, reactions ----------------------------------------------------


def test_nobody_is_asked_to_choose_a_home_channel(stage: Stage) -> None:
    assert not any(
        "No home channel" in (call.text or "") for call in stage.telegram.calls("sendMessage")
    )


def test_a_conversation_is_known_by_its_name(stage: Stage) -> None:
    stage.ask("be known", SECOND, contains="be known")
    targets = engine(stage, action="list")["targets"]
    name = next(line for line in targets.splitlines() if f"topic {SECOND}" in line).strip()
    assert f"topic {SYSTEMS}" not in targets
    assert engine(stage, target=name, message="called by its name").get("success"), name
    assert arrived(stage, "called by its name") == [(FORUM, SECOND)]


def test_what_was_sent_to_another_conversation_is_in_its_transcript(stage: Stage) -> None:
    stage.ask("begin here", SECOND, contains="begin here")
    answer = engine(stage, target=f"telegram:{FORUM}:{SECOND}", message="mirrored there")
    assert answer.get("mirrored"), answer
    seen = stage.model.seq
    stage.ask("what was said", SECOND, contains="what was said")
    request = stage.model.wait_for(lambda r: "what was said" in r.last_user, after=seen)
    assert "mirrored there" in json.dumps(request.messages)


def test_a_reaction_arrives_at_the_newest_message(stage: Stage) -> None:
    said = stage.telegram.seq
    answer = engine(stage, action="react", target="telegram", emoji="👍")
    assert answer.get("success"), answer
    call = stage.telegram.wait_for(lambda call: call.method == "setMessageReaction", after=said)
    assert call.params["chat_id"] in {FORUM, str(FORUM)}


def test_a_reaction_to_a_message_of_another_conversation_is_refused(stage: Stage) -> None:
    foreign = stage.telegram.say("elsewhere", chat_id=FORUM, thread_id=SYSTEMS)
    stage.telegram.wait_reply(FORUM, SYSTEMS, contains="elsewhere", timeout=150)
    said = stage.telegram.seq
    answer = engine(stage, action="react", target="telegram", emoji="👍", message_id=str(foreign))
    assert "the gateway knows no message" in str(answer.get("error")), answer
    assert stage.telegram.calls("setMessageReaction", after=said) == []


def test_the_model_has_a_tool_only_where_the_settings_say_so(stage: Stage) -> None:
    assert "send_message" in offered(stage, CAREER, "career-model")
    assert "send_message" not in offered(stage, SYSTEMS, "systems-model")
    step = json.dumps({"action": "send", "message": "sentbytool"})
    stage.ask(f"[[tool send_message {step}]]", SECOND, contains="tool said")
    assert arrived(stage, "sentbytool")[0] == (FORUM, SECOND)


def offered(stage: Stage, thread: int, model: str) -> tuple[str, ...]:
    """Return the tools that a profile's model is offered."""
    seen = stage.model.seq
    stage.ask("hello there", thread, contains="hello there")
    return stage.model.wait_for(lambda r: r.model == model and r.kind == "chat", after=seen).tools
