"""The test kit, on the real gateway without our plugin: what it reports is what Hermes does."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.kit import (
    DEFAULT_KEY,
    FORUM,
    USER,
    FakeModel,
    FakeTelegram,
    Gateway,
    GatewayFailedError,
    HermesRoot,
    Message,
    ModelRequest,
    Reply,
    ToolCall,
)
from tests.kit.model.script import parse, spoken
from tests.kit.model.types import image_count
from tests.kit.roots.homes import CLOSED_PROXY, PROFILE_DIRS
from tests.kit.telegram.text import entities_of, render
from tests.kit.telegram.types import BROKEN

STRANGER = 666

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQAAAADsdIMmAAAADElEQVQI12NgoC4AAABQAAEiE+h1AAAAAElFTkSuQmCC"
)

# Runs in every Python process of the gateway: notes who is looked up or connected to.
AUDIT = """
import os, sys
def note(event, args):
    if event in ("socket.getaddrinfo", "socket.connect"):
        target = args[0] if event == "socket.getaddrinfo" else args[1]
        if isinstance(target, (bytes, str)) and event == "socket.connect":
            return  # a Unix socket
        where = f"{target[0]}:{target[1]}" if isinstance(target, tuple) else f"{target}:"
        with open(os.environ["KIT_AUDIT"], "a") as log:
            log.write(where + "\\n")
sys.addaudithook(note)
"""


@dataclass
class Kit:
    """One gateway that the tests of this module share; each takes a topic of its own."""

    tg: FakeTelegram
    model: FakeModel
    root: HermesRoot
    gateway: Gateway
    lookups: Path
    last_topic: int = 10

    def topic(self) -> int:
        self.last_topic += 1
        return self.last_topic

    def ask(self, text: str, contains: str, thread_id: int, chat_id: int = FORUM) -> Message:
        before = self.tg.seq
        self.tg.say(text, chat_id=chat_id, thread_id=thread_id)
        return self.tg.wait_reply(chat_id, thread_id, contains=contains, after=before)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    base = tmp_path_factory.mktemp("kit")
    (base / "sitecustomize.py").write_text(AUDIT)
    lookups = base / "lookups"
    lookups.touch()
    with FakeTelegram() as tg, FakeModel() as model:
        root = HermesRoot(base, tg, model)
        root.configure({"streaming": {"enabled": True}})
        root.extra_environ |= {"PYTHONPATH": str(base), "KIT_AUDIT": str(lookups)}
        with Gateway(root) as gateway:
            yield Kit(tg, model, root, gateway, lookups)


# -- with the real gateway


def test_a_dm_is_answered_with_the_default_profiles_model_and_key(kit: Kit) -> None:
    kit.tg.say("good morning", chat_id=USER)
    assert kit.tg.wait_reply(USER, contains="good morning").text == "echo: good morning"
    request = kit.model.wait_chat("good morning")
    assert (request.model, request.api_key) == ("kit-model", DEFAULT_KEY)
    assert "terminal" in request.tools


def test_a_topic_is_answered_in_that_topic_and_general_in_general(kit: Kit) -> None:
    topic = kit.topic()
    assert kit.ask("in the topic", "in the topic", topic).thread_id == topic
    kit.tg.say("in general")
    assert kit.tg.wait_reply(contains="in general").thread_id is None
    assert kit.model.wait_chat("in the topic").last_user == "[Ada] in the topic"


def test_a_title_is_asked_for_and_is_no_chat(kit: Kit) -> None:
    kit.ask("name this", "name this", kit.topic())
    request = kit.model.wait_for(lambda r: r.kind == "title" and "name this" in r.last_user)
    assert not request.tools


def test_a_command_reaches_hermes_as_a_command(kit: Kit) -> None:
    before = kit.model.seq
    reply = kit.ask("/profile", "Profile:", kit.topic())
    assert "default" in reply.text
    assert str(kit.root.path) in reply.text
    assert not kit.model.requests("chat", after=before)


def test_streaming_shows_as_edits_of_one_message(kit: Kit) -> None:
    topic = kit.topic()
    reply = kit.ask("[[tokens 30]] [[stream 0.15]]", "word30", topic)
    assert len(reply.edits) > 1
    assert reply.edits[0].startswith("word1 ")
    assert reply.text == " ".join(f"word{number}" for number in range(1, 31))
    assert [message.id for message in kit.tg.transcript(FORUM, topic)] == [reply.id]


def test_a_tool_directive_runs_the_tool(kit: Kit) -> None:
    reply = kit.ask('[[tool terminal {"command": "echo $((40+2))"}]]', "tool said", kit.topic())
    assert '"output": "42"' in reply.text


def test_a_picture_arrives_as_its_bytes(kit: Kit) -> None:
    topic, before = kit.topic(), kit.model.seq
    kit.tg.say_photo(PICTURE, "what is this", thread_id=topic)
    assert "what is this" in kit.tg.wait_reply(thread_id=topic, contains="echo").text
    request = kit.model.wait_for(lambda r: image_count(r) > 0, after=before)
    assert base64.b64encode(PICTURE) in request.body


def test_a_document_is_downloaded_by_the_gateway(kit: Kit) -> None:
    topic, content = kit.topic(), b"\x00\x01 numbers" * 1000
    kit.tg.say_document(content, "numbers.bin", "keep it", thread_id=topic)
    kit.tg.wait_reply(thread_id=topic, contains="keep it")
    saved = [path.read_bytes() for path in kit.root.path.rglob("*numbers*") if path.is_file()]
    assert content in saved


def test_a_file_that_is_sent_is_recorded_whole(kit: Kit) -> None:
    topic, report = kit.topic(), kit.root.base / "report.pdf"
    report.write_bytes(b"%PDF-1.4 " + b"x" * 5000)
    kit.tg.say(f"[[say here it is\nMEDIA:{report}]]", thread_id=topic)
    call = kit.tg.wait_call("sendDocument", message_thread_id=topic)
    (upload,) = call.files
    assert (upload.name, upload.size) == ("report.pdf", 5009)
    assert upload.sha256 == hashlib.sha256(report.read_bytes()).hexdigest()


def test_a_click_answers_a_question(kit: Kit) -> None:
    topic, one = kit.topic(), {"question": "Which?", "choices": ["red", "blue"]}
    asked = json.dumps({**one, "questions": [one]})  # before Hermes 0.22, and since
    kit.tg.say(f"[[tool clarify {asked}]]", thread_id=topic)
    question = kit.tg.wait_reply(thread_id=topic, contains="Which?")
    kit.tg.click(question, question.buttons[1].data)
    reply = kit.tg.wait_reply(thread_id=topic, contains="tool said")
    assert '"user_response": "blue"' in reply.text
    assert kit.tg.message(question.id).buttons == ()


def test_a_click_approves_a_dangerous_command(kit: Kit) -> None:
    topic, victim = kit.topic(), kit.root.base / "victim"
    victim.mkdir()
    kit.tg.say(f'[[tool terminal {{"command": "rm -rf {victim}"}}]]', thread_id=topic)
    question = kit.tg.wait_reply(thread_id=topic, where=lambda m: m.buttons != ())
    assert victim.exists()
    kit.tg.click(question, "Allow Once")
    kit.tg.wait_reply(thread_id=topic, contains="tool said")
    assert not victim.exists()


def test_a_stranger_is_not_answered(kit: Kit) -> None:
    topic = kit.topic()
    kit.tg.say("let me in", thread_id=topic, user_id=STRANGER, user_name="Mallory")
    kit.ask("good evening", "good evening", topic)
    assert not [r for r in kit.model.requests() if "let me in" in r.body.decode()]


def test_a_client_that_leaves_shows_in_the_request(kit: Kit) -> None:
    topic, never = kit.topic(), threading.Event()
    kit.model.script(Reply("too late", hold=never), contains="think long")
    kit.tg.say("think long", thread_id=topic)
    request = kit.model.wait_chat("think long")
    kit.tg.say("/stop", thread_id=topic)
    kit.model.wait_for(lambda r: r is request and r.end == "disconnected")


def test_a_refused_send_is_tried_again_by_the_adapter(kit: Kit) -> None:
    topic = kit.topic()
    kit.tg.fail_next("sendMessage", 429, match=lambda call: call.place == (FORUM, topic))
    kit.ask("in spite of it", "in spite of it", topic)
    sends = [c for c in kit.tg.calls("sendMessage") if c.place == (FORUM, topic)]
    assert sends[0].error == "429 Too Many Requests: retry after 1"
    assert sends[1].error is None


def test_nothing_reaches_for_a_public_address(kit: Kit) -> None:
    kit.ask("/model", "odel", kit.topic())
    seen = set(kit.lookups.read_text().split())
    assert f"127.0.0.1:{kit.tg.port}" in seen
    assert CLOSED_PROXY.removeprefix("http://") not in seen, "something tried the proxy"
    assert {where.rpartition(":")[0] for where in seen} <= {"127.0.0.1", "localhost", "::1", "None"}


def test_a_restarted_gateway_answers_again(kit: Kit) -> None:
    before = kit.gateway.pid
    assert kit.gateway.restart().pid != before
    kit.ask("/profile", "Profile:", kit.topic())


# -- the gateway's process


def test_stopping_leaves_no_process(tmp_path: Path) -> None:
    with FakeTelegram() as tg, FakeModel() as model:
        root = HermesRoot(tmp_path, tg, model)
        with Gateway(root) as gateway:
            tg.say('[[tool terminal {"command": "sleep 4321"}]]', chat_id=USER)
            assert gateway.wait_process("sleep 4321").pid != gateway.pid
            gateway.stop(timeout=1)
            gateway.wait_no_leftovers()
        assert gateway.leftovers() == []
        assert "Hermes Gateway Starting" in gateway.log_text()


def test_a_gateway_that_cannot_start_says_why(tmp_path: Path) -> None:
    with FakeTelegram() as tg, FakeModel() as model:
        gateway = Gateway(HermesRoot(tmp_path, tg, model), "--no-such-option")
        with pytest.raises(GatewayFailedError, match=r"(?s)exited.*no-such-option"), gateway:
            pass


def test_profiles_are_laid_out_as_hermes_does(tmp_path: Path) -> None:
    with FakeTelegram() as tg, FakeModel() as model:
        root = HermesRoot(tmp_path, tg, model)
        command = [sys.executable, "-m", "hermes_cli.main", "profile", "create", "theirs"]
        subprocess.run(
            command, env=root.gateway_environ(), check=True, capture_output=True, timeout=200
        )
        ours = root.add_profile("ours", env={"ONLY_OURS": "1"}, config={"display": {"x": 1}})
    theirs = root.path / "profiles" / "theirs"
    ours_more = {"config.yaml", "models_dev_cache.json"}
    # Hermes 0.22 also writes at once what others write at a profile's first start.
    assert _layout(ours.path) - ours_more <= _layout(theirs)
    assert set(PROFILE_DIRS) <= _layout(theirs)
    assert (ours.path / ".env").stat().st_mode == (theirs / ".env").stat().st_mode
    assert "ONLY_OURS=1" in (ours.path / ".env").read_text()
    assert ours.config["model"]["api_key"] == "key-of-ours"


def _layout(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*")}


# -- the fake platform alone


def call(tg: FakeTelegram, method: str, **fields: object) -> httpx.Response:
    data = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in fields.items()
    }
    return httpx.post(f"{tg.base_url}{tg.token}/{method}", data=data, timeout=10, trust_env=False)


def test_the_platform_refuses_what_telegram_refuses() -> None:
    with FakeTelegram() as tg:
        tg.delete_topic(9)
        tg.close_topic(8)
        sent = call(tg, "sendMessage", chat_id=FORUM, text="once").json()["result"]["message_id"]
        long = call(tg, "sendMessage", chat_id=FORUM, text="x" * 4097)
        gone = call(tg, "sendMessage", chat_id=FORUM, message_thread_id=9, text="hi")
        closed = call(tg, "sendMessage", chat_id=FORUM, message_thread_id=8, text="hi")
        same = call(tg, "editMessageText", chat_id=FORUM, message_id=sent, text="once")
        lost = call(tg, "editMessageText", chat_id=FORUM, message_id=1, text="once")
        anonymous = httpx.get(f"{tg.base_url}nonsense/getMe", trust_env=False)
        told = [answer.json()["description"] for answer in (long, gone, same, lost, closed)]
    assert told[0] == "Bad Request: message is too long"
    assert told[1] == "Bad Request: message thread not found"
    assert told[2].startswith("Bad Request: message is not modified")
    assert told[3] == "Bad Request: message to edit not found"
    assert told[4] == "Bad Request: TOPIC_CLOSED"
    assert anonymous.status_code == 401


def test_unknown_methods_are_recorded_and_answered() -> None:
    with FakeTelegram() as tg:
        answer = call(tg, "sendHologram", chat_id=USER, shape={"edges": 12}, text="12")
        assert answer.json() == {"ok": True, "result": True}
        (recorded,) = tg.calls()
    assert recorded.params == {"chat_id": USER, "shape": {"edges": 12}, "text": "12"}


def test_updates_wait_for_the_bot_they_are_for_and_are_kept_until_confirmed() -> None:
    other = "99:other-bot"
    with FakeTelegram() as tg, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(call, tg, "getUpdates", timeout=10)
        tg.wait_polling()
        tg.say("not yours", bot_token=other)
        tg.say("/start@kit_1_bot now", thread_id=3)
        (update,) = waiting.result(60).json()["result"]
        (again,) = call(tg, "getUpdates").json()["result"]
        confirmed = call(tg, "getUpdates", offset=update["update_id"] + 1)
        assert tg.pending(other) == 1
    message = update["message"]
    assert again == update
    assert confirmed.json()["result"] == []
    assert message["entities"] == [{"type": "bot_command", "offset": 0, "length": 16}]
    assert (message["message_thread_id"], message["is_topic_message"]) == (3, True)


def test_what_is_said_together_comes_in_one_answer() -> None:
    with FakeTelegram() as tg, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(call, tg, "getUpdates", timeout=10)
        tg.wait_polling()
        with tg.together():
            tg.say("one")
            tg.say("two")
        texts = [update["message"]["text"] for update in waiting.result(60).json()["result"]]
        assert texts == ["one", "two"]


def test_a_second_poller_of_one_bot_ends_the_first() -> None:
    with FakeTelegram() as tg, ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, tg, "getUpdates", timeout=10)
        tg.wait_polling()
        call(tg, "getUpdates")
        assert first.result(60).status_code == 409


def test_waiting_in_vain_lists_the_calls() -> None:
    with FakeTelegram() as tg:
        call(tg, "sendMessage", chat_id=FORUM, message_thread_id=4, text="something else")
        with pytest.raises(TimeoutError, match=r"(?s)sendMessage chat=.*/4 .*something else"):
            tg.wait_reply(thread_id=4, contains="hello", timeout=0.05)


def test_an_applied_fault_answers_an_error_but_takes_effect() -> None:
    with FakeTelegram() as tg:
        tg.fail_next("sendMessage", 502, applied=True)
        answers = [call(tg, "sendMessage", chat_id=USER, text=text).json()["ok"] for text in "ab"]
        assert [message.text for message in tg.transcript(USER)] == ["a", "b"]
    assert answers == [False, True]


@pytest.mark.parametrize("applied", [False, True])
def test_a_connection_breaks_before_or_after_the_call_took_effect(applied: bool) -> None:
    with FakeTelegram() as tg:
        tg.fail_next("sendMessage", BROKEN, applied=applied)
        with pytest.raises(httpx.RemoteProtocolError):
            call(tg, "sendMessage", chat_id=USER, text="a")
        assert call(tg, "sendMessage", chat_id=USER, text="b").json()["ok"]
        assert [message.text for message in tg.transcript(USER)] == ["a"] * applied + ["b"]


def test_only_the_calls_that_match_are_delayed() -> None:
    with FakeTelegram() as tg:
        tg.set_answer_latency("sendMessage", 0.5, match=lambda call: call.text == "slow")
        seconds = []
        for text in ("slow", "fast"):
            begun = time.monotonic()
            call(tg, "sendMessage", chat_id=USER, text=text)
            seconds.append(time.monotonic() - begun)
    assert seconds[0] >= 0.5 > seconds[1]


def test_text_is_measured_and_rendered_as_telegram_does() -> None:
    assert entities_of("\N{WAVING HAND SIGN} @ada_l")[0]["offset"] == 3
    assert render("*b\\.* `a_b` [x](http://y)", "MarkdownV2") == "b. a_b x"
    assert render("<b>1 &lt; 2</b>", "HTML") == "1 < 2"


# -- the fake model alone


def complete(model: FakeModel, text: str, **fields: object) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], "tools": [], **fields}
    body["tools"] = [{"type": "function", "function": {"name": "terminal"}}]
    return httpx.post(
        f"{model.base_url}/chat/completions",
        json=body,
        headers={"Authorization": "Bearer k"},
        timeout=10,
        trust_env=False,
    )


def test_directives_are_read_in_order() -> None:
    steps = parse('a [[tool x {"k": "]]"}]] [[sleep 0.5]] [[tool y]] [[sleep 1]][[say bye]] b')
    assert steps.tools == [(ToolCall("x", {"k": "]]"}), 0.0), (ToolCall("y"), 0.5)]
    assert (steps.say, steps.delay) == ("bye", 1.0)
    assert spoken("[Ada] hi\n\n[System note: be brief.]") == "hi"


def test_scripts_win_over_the_default_and_run_out() -> None:
    def shout(request: ModelRequest) -> Reply | None:
        return Reply(request.last_user.upper()) if request.api_key == "k" else None

    with FakeModel() as model:
        model.script(shout, contains="hi", times=1)
        model.script(Reply(error=503, retry_after=2), contains="fail")
        texts = [complete(model, "hi").json()["choices"][0]["message"]["content"] for _ in "12"]
        failed = complete(model, "fail")
    assert texts == ["HI", "echo: hi"]
    assert (failed.status_code, failed.headers["retry-after"]) == (503, "2")


def test_a_stream_ends_with_usage_or_where_it_is_cut() -> None:
    with FakeModel() as model:
        lines = complete(
            model, "[[say a b]]", stream=True, stream_options={"include_usage": True}
        ).text.split()
        assert lines[-1] == "[DONE]"
        assert '"usage"' in " ".join(lines[-40:])
        model.script(Reply("one two three", cut_after=1), contains="cut")
        with pytest.raises(httpx.RemoteProtocolError):
            complete(model, "cut", stream=True)
        assert model.wait_chat("cut", done=True).end == "error"
