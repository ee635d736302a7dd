"""Prompts that wait for a person: the click reaches the worker that asked, and no other."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hermes_router.protocol.system.versions import hermes_version
from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, USER, FakeModel, FakeTelegram, Message
from tests.kit.model.directives import question, tool
from tests.kit.waiting import wait_until

STRANGER = 666
COLLEAGUE = 7700002
"""May use the bot, but is no admin of the gateway."""

NOT_AUTHORIZED = "⛔ You are not authorized"

APPROVAL_TOO_LATE = (
    "This approval has already been resolved."
    if (hermes_version() or "") < "0.21"  # before that, Hermes confirms a click that is too late
    else "⌛ Approval expired"
)
QUESTION_TOO_LATE = "⚠️ This prompt expired — please /retry."

PROFILES = {CAREER: "career", SYSTEMS: "systems"}
Click = Callable[..., str]


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.env({"TELEGRAM_ALLOWED_USERS": f"{USER},{COLLEAGUE}"})
    extra = {"group_allow_admin_from": [str(USER)]}
    stage.root.configure({"platforms": {"telegram": {"extra": extra}}})
    return stage


@pytest.fixture
def click(stage: Stage) -> Click:
    """Click a button and return what the platform shows to the one who clicked."""

    def clicked(message: Message, button: str, user_id: int = USER) -> str:
        query = stage.telegram.click(message, button, user_id=user_id)
        answer = stage.telegram.wait_call(
            "answerCallbackQuery", callback_query_id=query, timeout=ANSWER_SECONDS
        )
        return str(answer.params.get("text", ""))

    return clicked


def reply(stage: Stage, topic: int, contains: str, after: int) -> Message:
    return stage.telegram.wait_reply(
        FORUM, topic, contains=contains, after=after, timeout=ANSWER_SECONDS
    )


def victim(stage: Stage, topic: int, name: str) -> Path:
    """Make a file in the profile's workspace that a dangerous command would change."""
    path = stage.root.profiles[PROFILES[topic]].path / "workspace" / name
    path.write_text("precious")
    path.chmod(0o600)
    return path


def remove(path: Path) -> str:
    return tool("terminal", command=f"rm -r {path.name}")


def open_up(path: Path) -> str:
    return tool("terminal", command=f"chmod 777 {path.name}")


# -- approvals


@pytest.mark.parametrize(
    ("button", "label", "done"),
    [("Allow Once", "✅ Approved once", True), ("Deny", "❌ Denied", False)],
)
def test_a_dangerous_command_waits_for_its_button(
    stage: Stage, click: Click, button: str, label: str, done: bool
) -> None:
    file = victim(stage, CAREER, "by-button")
    prompt = stage.prompted(remove(file), CAREER, contains="rm -r by-button")
    assert file.exists()
    seq = stage.telegram.seq
    assert click(prompt, button) == label
    reply(stage, CAREER, "tool said", seq)
    assert file.exists() is not done
    shown = stage.telegram.message(prompt.id)
    assert label in shown.text
    assert not shown.buttons


def test_approved_for_the_session_is_not_asked_again_in_the_turn(
    stage: Stage, click: Click
) -> None:
    one, two = victim(stage, CAREER, "one"), victim(stage, CAREER, "two")
    prompt = stage.prompted(remove(one) + remove(two), CAREER, contains="rm -r one")
    seq = stage.telegram.seq
    assert click(prompt, "Session") == "✅ Approved for session"
    reply(stage, CAREER, "tool said", seq)
    assert not one.exists()
    assert not two.exists()
    stage.wait_settled("career")  # what was approved lasts: the next tests want to be asked again
    begin_anew(stage, click)


def begin_anew(stage: Stage, click: Click) -> None:
    """Begin a new session in the career's topic, as `/new` and a click do."""
    prompt = stage.prompted("/new", CAREER, contains="/new")
    assert click(prompt, "Approve Once") == "✅ Approved once"
    stage.wait_settled("career")


def test_always_allowed_is_kept_in_the_profile_that_asked(stage: Stage, click: Click) -> None:
    file = victim(stage, CAREER, "open")
    prompt = stage.prompted(open_up(file), CAREER, contains="chmod 777 open")
    seq = stage.telegram.seq
    assert click(prompt, "Always") == "✅ Approved permanently"
    reply(stage, CAREER, "tool said", seq)
    stage.wait_settled("career")
    file.chmod(0o600)
    stage.ask(open_up(file), CAREER, contains="tool said")
    assert file.stat().st_mode & 0o777 == 0o777
    other = victim(stage, SYSTEMS, "open")
    prompt = stage.prompted(open_up(other), SYSTEMS, contains="chmod")
    seq = stage.telegram.seq
    assert click(prompt, "Deny") == "❌ Denied"
    reply(stage, SYSTEMS, "tool said", seq)
    assert "command_allowlist" not in stage.root.config


@pytest.mark.parametrize(("word", "done"), [("/approve", True), ("/deny", False)])
def test_a_typed_answer_closes_the_button(
    stage: Stage, click: Click, word: str, done: bool
) -> None:
    file = victim(stage, SYSTEMS, "typed")
    prompt = stage.prompted(remove(file), SYSTEMS, contains="rm -r typed")
    seq = stage.telegram.seq
    stage.telegram.say(word, thread_id=SYSTEMS)
    reply(stage, SYSTEMS, "tool said", seq)
    assert file.exists() is not done
    assert click(prompt, "Allow Once") == APPROVAL_TOO_LATE


def test_a_click_reaches_exactly_the_worker_that_asked(stage: Stage, click: Click) -> None:
    files = {topic: victim(stage, topic, "pending") for topic in (CAREER, SYSTEMS)}
    with ThreadPoolExecutor(2) as pool:
        prompts = dict(
            zip(
                files,
                pool.map(lambda topic: stage.prompted(remove(files[topic]), topic), files),
                strict=True,
            )
        )
    seq = stage.telegram.seq
    assert click(prompts[SYSTEMS], "Allow Once") == "✅ Approved once"
    reply(stage, SYSTEMS, "tool said", seq)
    assert not files[SYSTEMS].exists()
    assert files[CAREER].exists()
    assert stage.telegram.message(prompts[CAREER].id).buttons
    seq = stage.telegram.seq
    assert click(prompts[CAREER], "Deny") == "❌ Denied"
    reply(stage, CAREER, "tool said", seq)
    assert files[CAREER].exists()


def test_another_users_click_is_refused_as_hermes_refuses_it(stage: Stage, click: Click) -> None:
    file = victim(stage, CAREER, "not-yours")
    prompt = stage.prompted(remove(file), CAREER, contains="not-yours")
    assert click(prompt, "Allow Once", user_id=STRANGER).startswith(NOT_AUTHORIZED)
    assert file.exists()
    seq = stage.telegram.seq
    assert click(prompt, "Deny") == "❌ Denied"
    reply(stage, CAREER, "tool said", seq)
    assert file.exists()


# -- clarify

QUESTION = question("Tea or coffee?", "green tea", "black coffee")


def test_a_question_is_answered_by_its_button(stage: Stage, click: Click) -> None:
    prompt = stage.prompted(QUESTION, CAREER, contains="Tea or coffee")
    seq = stage.telegram.seq
    assert click(prompt, "2") == "✓ black coffee"
    assert "black coffee" in reply(stage, CAREER, "tool said", seq).text


def test_a_question_is_answered_in_own_words(stage: Stage, click: Click) -> None:
    prompt = stage.prompted(QUESTION, SYSTEMS, contains="Tea or coffee")
    assert click(prompt, "Other") == "✏️ Type your answer in the chat."
    seq = stage.telegram.seq
    stage.telegram.say("a glass of water", thread_id=SYSTEMS)
    assert "a glass of water" in reply(stage, SYSTEMS, "tool said", seq).text


def test_a_question_is_answered_by_a_typed_number(stage: Stage, click: Click) -> None:
    prompt = stage.prompted(QUESTION, CAREER, contains="Tea or coffee")
    seq = stage.telegram.seq
    stage.telegram.say("1", thread_id=CAREER)
    assert "green tea" in reply(stage, CAREER, "tool said", seq).text
    assert click(prompt, "2") == QUESTION_TOO_LATE
    wait_until(lambda: not stage.telegram.message(prompt.id).buttons, 120, "the buttons stay")


def test_a_question_does_not_make_the_gateways_own_sessions_wait(
    stage: Stage, click: Click
) -> None:
    prompt = stage.prompted(QUESTION, CAREER, contains="Tea or coffee")
    assert "still here" in stage.ask("still here?", UNROUTED, contains="still here").text
    seq = stage.telegram.seq
    click(prompt, "1")
    assert "green tea" in reply(stage, CAREER, "tool said", seq).text


# -- confirmations


def test_confirmations_of_two_profiles_do_not_meet(stage: Stage, click: Click) -> None:
    prompts = {topic: stage.prompted("/reload-mcp", topic, contains="reload") for topic in PROFILES}
    seq = stage.telegram.seq
    assert click(prompts[CAREER], "Cancel") == "❌ Cancelled"
    assert "cancelled" in reply(stage, CAREER, "cancelled", seq).text
    assert stage.telegram.message(prompts[SYSTEMS].id).buttons
    assert click(prompts[SYSTEMS], "Approve Once") == "✅ Approved once"
    assert "MCP" in reply(stage, SYSTEMS, "MCP", seq).text
    for profile in PROFILES.values():
        stage.wait_settled(profile)


def test_a_destructive_command_is_carried_out_after_its_click(stage: Stage, click: Click) -> None:
    stage.ask("before the reset", CAREER, contains="before the reset")
    prompt = stage.prompted("/new", CAREER, contains="/new")
    assert click(prompt, "Approve Once", user_id=STRANGER).startswith("⛔")
    assert click(prompt, "Approve Once") == "✅ Approved once"
    seen = stage.model.seq
    stage.ask("after the reset", CAREER, contains="after the reset")
    [request] = stage.model.requests("chat", after=seen)
    assert b"before the reset" not in request.body


# -- pickers


def changed(stage: Stage, message: Message, after: int, contains: str = "") -> Message:
    return stage.telegram.wait_reply(
        FORUM,
        message.thread_id,
        contains=contains,
        after=after,
        timeout=ANSWER_SECONDS,
        where=lambda shown: shown.id == message.id,
    )


def test_pickers_of_two_topics_of_one_chat_stay_apart(stage: Stage, click: Click) -> None:
    pickers = {
        topic: stage.prompted("/model", topic, contains="Model Configuration")
        for topic in (CAREER, UNROUTED, SYSTEMS)
    }
    assert "career-model" in pickers[CAREER].text
    assert "kit-model" in pickers[UNROUTED].text
    seq = stage.telegram.seq
    stranger = click(pickers[CAREER], "Custom endpoint", user_id=STRANGER)
    assert stranger.startswith(NOT_AUTHORIZED)
    colleague = click(pickers[CAREER], "Custom endpoint", user_id=COLLEAGUE)
    assert colleague.startswith("⛔ /model is admin-only here.")
    assert stage.telegram.message(pickers[CAREER].id).seq <= seq
    for topic, own in ((CAREER, "career-model"), (UNROUTED, "kit-model")):
        seq = stage.telegram.seq
        click(pickers[topic], "Custom endpoint")
        models = changed(stage, pickers[topic], seq, "Select a model")
        seq = stage.telegram.seq
        assert click(models, own) == "Model switched!"
        assert own in changed(stage, models, seq).text
    assert click(pickers[SYSTEMS], "Cancel") == ""
    wait_until(lambda: "cancelled" in stage.telegram.message(pickers[SYSTEMS].id).text)
    for profile in PROFILES.values():
        stage.wait_settled(profile)


def test_a_choice_picker_is_answered_by_the_worker(stage: Stage, click: Click) -> None:
    picker = stage.prompted("/reasoning", SYSTEMS)
    seq = stage.telegram.seq
    click(picker, "high")
    assert "high" in changed(stage, picker, seq).text.lower()
    stage.wait_settled("systems")


# -- too late


@pytest.mark.parametrize(
    ("text", "button", "answer"),
    [
        (tool("terminal", command="rm -r nothing"), "Allow Once", APPROVAL_TOO_LATE),
        (QUESTION, "1", QUESTION_TOO_LATE),
        ("/reload-mcp", "Approve Once", "This prompt has already been resolved."),
        ("/reasoning", "high", "Picker expired — run the command again."),
    ],
    ids=["approval", "clarify", "confirm", "picker"],
)
def test_a_click_after_the_workers_death_is_told_that_it_is_too_late(
    stage: Stage, click: Click, text: str, button: str, answer: str
) -> None:
    prompt = stage.prompted(text, CAREER)
    os.kill(stage.worker_in_turn("career"), signal.SIGKILL)
    stage.wait_settled("career")
    assert click(prompt, button) == answer
    begin_anew(stage, click)  # Hermes 0.22 asks the model again what was cut off, with the next


def test_stopping_a_turn_closes_its_prompt(stage: Stage, click: Click) -> None:
    prompt = stage.prompted(QUESTION, SYSTEMS, contains="Tea or coffee")
    stage.telegram.say("/stop", thread_id=SYSTEMS)
    stage.wait_settled("systems")
    assert click(prompt, "1") == QUESTION_TOO_LATE


@pytest.mark.timeout(300)  # it starts two gateways, and three workers
def test_a_button_from_before_a_restart_answers_no_prompt_of_another_profile(
    stage: Stage, click: Click
) -> None:
    stage.gateway.restart()  # Telegram's adapter numbers its approvals from its start
    seq = stage.telegram.seq
    old = stage.prompted(remove(victim(stage, CAREER, "before")), CAREER, contains="rm -r before")
    stage.telegram.say("/deny", thread_id=CAREER)
    reply(stage, CAREER, "tool said", seq)
    stage.wait_settled("career")
    stage.gateway.restart()
    file = victim(stage, SYSTEMS, "since")
    new = stage.prompted(remove(file), SYSTEMS, contains="rm -r since")
    assert "Approved" not in click(old, "Allow Once")
    seq = stage.telegram.seq
    assert click(new, "Deny") == "❌ Denied"
    reply(stage, SYSTEMS, "tool said", seq)
    assert file.exists()
