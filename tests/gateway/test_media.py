"""Files cross the pipe as bytes, both ways; the gateway opens no path that a worker names."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, Stage
from tests.kit import FORUM, Reply
from tests.kit.model_types import image_count

PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQAAAADsdIMmAAAADElEQVQI12NgoC4AAABQAAEiE+h1AAAAAElFTkSuQmCC"
)
SENT = {
    "picture.png": ("sendPhoto", "sendMediaGroup"),
    "report.pdf": ("sendDocument",),
    "song.mp3": ("sendAudio",),
    "film.mp4": ("sendVideo",),
    "note.ogg": ("sendVoice",),
}


@pytest.mark.parametrize("name", SENT)
def test_a_workers_file_arrives_on_the_platform(stage: Stage, name: str) -> None:
    data = PICTURE if name.endswith("png") else os.urandom(700_000)
    path = stage.root.profiles["career"].path / "workspace" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    voice = "[[audio_as_voice]]\n" * name.endswith("ogg")
    reply = Reply(f"Here it is.\n{voice}MEDIA:{path}")
    stage.model.script(reply, contains=f"send me {name}", times=1)
    seq = stage.telegram.seq
    stage.telegram.say(f"send me {name}", chat_id=FORUM, thread_id=CAREER)
    call = stage.telegram.wait_for(
        lambda call: call.method in SENT[name] and bool(call.files), timeout=60, after=seq
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
        timeout=60,
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
        timeout=60,
    )
    home = str(stage.root.profiles["career"].path)
    named = [word.strip("'\"`.,:;()[]") for word in request.last_user.split() if home in word]
    assert named, request.last_user
    assert Path(named[0]).read_bytes() == b"%PDF-1.4 the plan"
