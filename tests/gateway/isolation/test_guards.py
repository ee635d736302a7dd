"""A routed conversation guards the account's secrets as an unrouted one beside it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.conftest import (
    ANSWER_SECONDS,
    BOXED,
    CAREER,
    UNROUTED,
    Stage,
    add_boxed,
    build_stage,
    start_cold,
)
from tests.kit import FORUM, Call, FakeModel, FakeTelegram, Reply
from tests.kit.model.directives import tool
from tests.kit.roots.homes import LOGIN_KEYS

KEY = "a secret of the account"
OF_TOOLS = (
    *(".netrc", ".npmrc", ".pypirc", ".pgpass", ".git-credentials", ".aws/credentials"),
    *(LOGIN_KEYS, ".ssh/config", ".config/gh/hosts.yml", ".docker/config.json"),
)
"""Files in the account's home that command-line tools keep logins in."""
PLACES = {"local": CAREER, "bubblewrap": BOXED, "unrouted": UNROUTED}
PROFILES = {CAREER: "career", BOXED: "boxed"}


in_each_place = pytest.mark.parametrize("topic", PLACES.values(), ids=PLACES)
in_each_worker = pytest.mark.parametrize("topic", [CAREER, BOXED], ids=["local", "bubblewrap"])


@pytest.fixture(scope="module")
def prepared(short_folder: Path, telegram: FakeTelegram, model: FakeModel) -> Stage:
    stage = add_boxed(start_cold(build_stage(short_folder, telegram, model), "systems"))
    for name in (LOGIN_KEYS, ".docker/config.json"):
        path = users_home(stage) / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(KEY)
    return stage


def users_home(stage: Stage) -> Path:
    return stage.root.base / "home"


def attach(stage: Stage, path: Path, thread: int) -> tuple[bytes, str]:
    """Let the model attach a file; return what was uploaded and all that was said."""
    seq, said = stage.telegram.seq, f"attach {path} in {thread}"
    stage.model.script(Reply(f"Here.\nMEDIA:{path}"), contains=said, times=1)
    stage.ask(said, thread, contains="Here")
    if thread in PROFILES:
        stage.wait_settled(PROFILES[thread])
    calls = stage.telegram.calls(after=seq)
    uploads = b"".join(upload.content or b"" for call in calls for upload in call.files)
    texts = [str(call.params.get("text", "")).replace("\\", "") for call in calls]
    return uploads, "\n".join(texts)


@in_each_place
def test_a_login_in_the_accounts_home_is_not_attached(stage: Stage, topic: int) -> None:
    uploads, said = attach(stage, users_home(stage) / ".docker" / "config.json", topic)
    assert KEY.encode() not in uploads
    if topic in PROFILES:
        assert said.count("config.json was not attached: ") == 1
        assert "config.json was not attached: " in stage.worker_log(PROFILES[topic])


@in_each_worker
def test_a_file_that_does_not_exist_is_said_to(stage: Stage, topic: int) -> None:
    _, said = attach(stage, Path("/nowhere/report.pdf"), topic)
    assert said.count("report.pdf was not attached: there is no such file") == 1


@in_each_worker
def test_nothing_is_said_of_a_file_that_is_attached(stage: Stage, topic: int) -> None:
    report = stage.root.profiles[PROFILES[topic]].path / "workspace" / "report.pdf"
    report.write_bytes(b"%PDF-1.4 all is well")
    uploads, said = attach(stage, report, topic)
    assert b"all is well" in uploads
    assert "not attached" not in said


@in_each_place
def test_a_credential_file_in_the_accounts_home_is_not_written(stage: Stage, topic: int) -> None:
    path = users_home(stage) / ".git-credentials"
    call = tool("write_file", path=str(path), content="https://x:y@host")
    said = stage.ask(call, topic, contains="tool said")
    assert "protected" in said.text or "denied" in said.text
    assert not path.exists()


@in_each_place
def test_the_accounts_keys_are_not_patched(stage: Stage, topic: int) -> None:
    keys = users_home(stage) / LOGIN_KEYS
    call = tool("patch", mode="replace", path=str(keys), old_string=KEY, new_string="of a stranger")
    said = stage.ask(call, topic, contains="tool said")
    assert "protected" in said.text or "denied" in said.text
    assert keys.read_text() == KEY


@pytest.fixture(scope="module")
def unrouted_code(stage: Stage) -> set[str]:
    """Which files of the account approved code may change in the unrouted topic."""
    return changed_by_code(stage, UNROUTED)


def prompt_or_end(stage: Stage, topic: int, seq: int) -> Call:
    """Return the next prompt in a topic, or the answer to what the tool returned."""
    return stage.telegram.wait_for(
        lambda call: (
            call.place == (FORUM, topic)
            and ("reply_markup" in call.params or "tool said" in call.text)
        ),
        timeout=ANSWER_SECONDS,
        after=seq,
    )


def changed_by_code(stage: Stage, topic: int) -> set[str]:
    """Have approved code write and patch credential files; return those that it changed."""
    home, seq = users_home(stage), stage.telegram.seq
    fill_in(home)
    paths = [str(home / name) for name in OF_TOOLS]
    code = (
        "from hermes_tools import patch, write_file\n"
        f"for path in {paths!r}:\n"
        f"    patch(path=path, old_string={KEY!r}, new_string='of code')\n"
        "    write_file(path, 'of code')\n"
        "print('all were tried')"
    )
    stage.telegram.say(tool("execute_code", code=code), chat_id=FORUM, thread_id=topic)
    while "tool said" not in (shown := prompt_or_end(stage, topic, seq)).text:
        seq = shown.seq
        stage.telegram.say("/approve", chat_id=FORUM, thread_id=topic)
    assert "all were tried" in shown.text
    changed = {name for name in OF_TOOLS if (home / name).read_text() != KEY}
    fill_in(home)
    return changed


def fill_in(home: Path) -> None:
    for name in OF_TOOLS:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(KEY)


@in_each_worker
def test_approved_code_changes_no_file_that_it_may_not_change_unrouted(
    stage: Stage, topic: int, unrouted_code: set[str]
) -> None:
    assert len(unrouted_code) <= len(OF_TOOLS) - 6, "the guards protect nothing here"
    assert ".netrc" not in unrouted_code
    assert changed_by_code(stage, topic) <= unrouted_code


@in_each_place
def test_a_command_that_appends_to_the_accounts_keys_needs_approval(
    stage: Stage, topic: int
) -> None:
    seq, keys = stage.telegram.seq, users_home(stage) / LOGIN_KEYS
    call = tool("terminal", command=f"echo ssh-rsa of-a-stranger >> {keys}")
    stage.telegram.say(call, chat_id=FORUM, thread_id=topic)
    prompt = stage.telegram.wait_for(
        lambda call: call.place == (FORUM, topic) and "reply_markup" in call.params,
        timeout=ANSWER_SECONDS,
        after=seq,
    )
    assert LOGIN_KEYS in str(prompt.params)
    stage.telegram.say("/deny", chat_id=FORUM, thread_id=topic)
    stage.telegram.wait_reply(FORUM, topic, contains="tool said", after=seq, timeout=ANSWER_SECONDS)
    assert keys.read_text() == KEY
