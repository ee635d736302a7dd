"""Files cross the pipe as bytes, both ways; the gateway opens no path that a worker names."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.gateway.conftest import (
    ANSWER_SECONDS,
    CAREER,
    SYSTEMS,
    UNROUTED,
    Stage,
    build_stage,
)
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.model.types import image_count
from tests.kit.state.files import PICTURE, in_the_gateways_home
from tests.kit.waiting import wait_until

SENT = {
    "picture.png": ("sendPhoto", "sendMediaGroup"),
    "report.pdf": ("sendDocument",),
    "song.mp3": ("sendAudio",),
    "film.mp4": ("sendVideo",),
    "note.ogg": ("sendVoice",),
}
LARGEST_RECEIVED = 100_000

LARGE = 49 * 2**20
"""Bytes of a file that is just within what Telegram takes."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    limits = {"received_bytes": LARGEST_RECEIVED}
    stage.root.configure({"hermes_router": {"profiles": {"systems": {"limits": limits}}}})
    return stage


@pytest.mark.parametrize("name", SENT)
def test_a_workers_file_arrives_on_the_platform(stage: Stage, name: str) -> None:
    data = PICTURE if name.endswith("png") else os.urandom(700_000)
    path = stage.root.profiles["career"].path / "workspace" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    voice = "[[audio_as_voice]]\n" * name.endswith("ogg")
    reply = Reply(f"Here it is.\n{voice}MEDIA:{path}")
    stage.model.script(reply, contains=f"send me {name}", times=1)
    stage.wait_answered(ANSWER_SECONDS)  # the file before this one is sent, its turn goes on
    seq = stage.telegram.seq
    stage.telegram.say(f"send me {name}", chat_id=FORUM, thread_id=CAREER)
    call = stage.telegram.wait_for(
        lambda call: call.method in SENT[name] and bool(call.files), timeout=150, after=seq
    )
    upload = call.files[0]
    assert call.place == (FORUM, CAREER)
    assert upload.size == len(data)
    assert upload.content == data


@pytest.mark.parametrize("owner", ["systems", "default"])
def test_another_profiles_files_cannot_be_sent(stage: Stage, owner: str) -> None:
    home = stage.root.path if owner == "default" else stage.root.profiles[owner].path
    secret = home / "notes.txt"
    secret.write_text("SECRET=of-systems\n")
    stage.model.script(Reply(f"Look.\nMEDIA:{secret}"), contains="leak it", times=1)
    seq = stage.telegram.seq
    stage.ask("leak it", CAREER, contains="Look")
    stage.wait_settled("career")
    uploads = [u for call in stage.telegram.calls(after=seq) for u in call.files]
    assert all(b"of-systems" not in (upload.content or b"") for upload in uploads)


def test_a_sent_picture_is_in_the_profiles_own_cache(stage: Stage) -> None:
    seen = stage.model.seq
    stage.telegram.say_photo(PICTURE, "what is this?", chat_id=FORUM, thread_id=CAREER)
    request = stage.model.wait_for(
        lambda request: request.model == "career-model" and "what is this?" in request.last_user,
        after=seen,
        timeout=150,
    )
    home = stage.root.profiles["career"].path
    cached = [path for path in home.rglob("*") if path.is_file() and path.read_bytes() == PICTURE]
    assert cached
    assert image_count(request) or str(cached[0]) in request.last_user
    assert str(stage.root.path / "cache") not in request.last_user
    stage.wait_settled("career")


def test_a_sent_document_can_be_read_by_the_routed_turn(stage: Stage) -> None:
    seen = stage.model.seq
    stage.telegram.say_document(
        b"%PDF-1.4 the plan", "plan.pdf", "read this", chat_id=FORUM, thread_id=CAREER
    )
    request = stage.model.wait_for(
        lambda request: request.model == "career-model" and "read this" in request.last_user,
        after=seen,
        timeout=150,
    )
    home = str(stage.root.profiles["career"].path)
    named = [word.strip("'\"`.,:;()[]") for word in request.last_user.split() if home in word]
    assert named, request.last_user
    assert Path(named[0]).read_bytes() == b"%PDF-1.4 the plan"


def test_the_gateway_keeps_no_copy_of_what_a_routed_place_was_sent(stage: Stage) -> None:
    content = b"for career alone " * 9
    seq = stage.telegram.seq
    stage.telegram.say_document(content, "own.txt", "keep it", chat_id=FORUM, thread_id=CAREER)
    stage.telegram.wait_reply(FORUM, CAREER, contains="keep it", after=seq, timeout=ANSWER_SECONDS)
    stage.wait_settled("career")
    assert in_the_gateways_home(stage.root, content) == []
    other = b"for the default profile " * 9
    seq = stage.telegram.seq
    stage.telegram.say_document(other, "d.txt", "keep it too", chat_id=FORUM, thread_id=UNROUTED)
    stage.telegram.wait_reply(FORUM, UNROUTED, contains="keep it too", after=seq)
    assert in_the_gateways_home(stage.root, other)


def test_a_sticker_is_looked_at_by_the_profile(stage: Stage) -> None:
    picture, seen = PICTURE + b"sticker", stage.model.seq
    stage.telegram.say_file(
        "sticker", picture, "s.webp", "image/webp", chat_id=FORUM, thread_id=CAREER
    )
    request = stage.model.wait_for(
        lambda request: request.kind == "chat" and "sent a sticker" in request.last_user,
        after=seen,
        timeout=ANSWER_SECONDS,
    )
    assert request.api_key == "career-key"
    assert "[a sticker]" not in request.last_user
    looks = [r for r in stage.model.requests(after=seen) if "Describe this sticker" in r.last_user]
    assert [look.api_key for look in looks] == ["career-key"]
    stage.wait_settled("career")
    assert in_the_gateways_home(stage.root, picture) == []
    assert not list(stage.root.path.glob("sticker_cache*"))


def test_a_file_above_the_limit_stays_out_and_people_are_told(stage: Stage) -> None:
    large, seen, seq = bytes(LARGEST_RECEIVED + 1), stage.model.seq, stage.telegram.seq
    where = {"chat_id": FORUM, "thread_id": SYSTEMS}
    stage.telegram.say_document(large, "large.bin", "have a look", **where)  # type: ignore[arg-type]
    notice = stage.telegram.wait_reply(
        FORUM, SYSTEMS, contains="Not passed on", after=seq, timeout=ANSWER_SECONDS
    )
    assert "large.bin (97.7 kB)" in notice.text
    request = stage.model.wait_chat("have a look", after=seen, timeout=ANSWER_SECONDS)
    assert "large.bin" in request.last_user
    assert "Not passed on" in request.last_user
    stage.wait_settled("systems")
    assert not [
        path
        for path in stage.root.path.rglob("*")
        if path.is_file() and path.stat().st_size == len(large)
    ]


@contextmanager
def peak_memory(pid: int) -> Iterator[list[int]]:
    """Watch how far a process's resident memory rises; the list holds the bytes at the end."""
    process, done = psutil.Process(pid), threading.Event()
    before = peak = process.memory_info().rss
    grown: list[int] = []

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield grown
    finally:
        done.set()
        thread.join()
        grown.append(peak - before)


def test_a_large_file_takes_no_more_of_the_gateways_memory_than_hermes_itself_does(
    stage: Stage,
) -> None:
    career = stage.root.profiles["career"].path / "workspace"
    own = stage.root.base / "home"
    grown: dict[int, int] = {}
    for topic, folder in ((UNROUTED, own), (CAREER, career)):
        path = folder / f"large-{topic}.bin"
        path.write_bytes(os.urandom(2**20) * (LARGE // 2**20))
        stage.model.script(Reply(f"Here.\nMEDIA:{path}"), contains="send the large", times=1)
        seq = stage.telegram.seq
        with peak_memory(stage.gateway.pid) as peak:
            stage.telegram.say("send the large", chat_id=FORUM, thread_id=topic)
            call = stage.telegram.wait_for(
                lambda call: call.method == "sendDocument" and bool(call.files),
                timeout=ANSWER_SECONDS,
                after=seq,
            )
        assert call.place == (FORUM, topic)
        assert call.files[0].size == LARGE
        [grown[topic]] = peak
    stage.wait_settled("career")
    assert grown[CAREER] < grown[UNROUTED] + 16 * 2**20, grown


def test_a_document_that_cannot_be_kept_is_a_notice_and_no_hanging_turn(stage: Stage) -> None:
    cache = stage.root.profiles["systems"].path / "cache"
    aside = cache.with_name("cache-aside")
    if cache.exists():
        cache.rename(aside)
    cache.write_text("a file where a folder must be")
    seq = stage.telegram.seq
    stage.telegram.say_document(b"lost", "lost.txt", "keep it", thread_id=SYSTEMS)
    # A worker that was prepared before cannot keep it; one that starts now has no folder either.
    told = stage.telegram.wait_reply(FORUM, SYSTEMS, after=seq, timeout=ANSWER_SECONDS)
    assert told.text.startswith("⚠️"), told.text
    cache.unlink()
    if aside.exists():
        aside.rename(cache)
    # After failed starts the next ones are refused for some seconds.
    wait_until(
        lambda: "echo: and now?" in stage.ask("and now?", SYSTEMS).text, ANSWER_SECONDS, "no answer"
    )
