"""What is for a routed thread that is gone goes nowhere else, by the real adapters' own methods."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gateway.config import PlatformConfig

from hermes_router.config.model import RouterConfig
from hermes_router.hermes.features.adapters.own_place import OwnPlaces, kept_in
from hermes_router.routing.table import Route, RouteTable
from tests.kit import FORUM, TOKEN, FakeTelegram

ROUTED, UNROUTED = 6, 20
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def routes(platform: str, chat: object, thread: object) -> Callable[[], RouterConfig]:
    route = Route(platform=platform, profile="career", chat_id=str(chat), thread_id=str(thread))
    config = RouterConfig(path=Path(), table=RouteTable.index((route,))[0])
    return lambda: config


def made(platform: str, name: str, **settings: Any) -> Any:
    module = importlib.import_module(f"plugins.platforms.{platform}.adapter")
    return getattr(module, name)(PlatformConfig(enabled=True, **settings))


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    return tmp_path


# -- Telegram --------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[FakeTelegram]:
    with FakeTelegram() as server:
        for topic in (ROUTED, UNROUTED):
            server.add_topic(topic, f"topic {topic}")
            server.delete_topic(topic)
        yield server


@pytest.fixture
async def telegram(server: FakeTelegram) -> Any:
    """Return the real adapter with its own library's client, which talks to our server."""
    adapter = made("telegram", "TelegramAdapter", token=TOKEN)
    adapter._bot = importlib.import_module("telegram").Bot(TOKEN, base_url=server.base_url)
    await adapter._bot.initialize()
    OwnPlaces(routes("telegram", FORUM, ROUTED)).take_over(adapter)
    yield adapter
    await adapter._bot.shutdown()


def outside(server: FakeTelegram) -> list[str]:
    posts = ("send", "copy", "forward")
    return [
        call.line()
        for call in server.calls()
        if call.method.startswith(posts) and call.error is None and call.place == (FORUM, None)
    ]


async def _nothing(*_args: Any) -> str:
    return ""


FILES = ("send_image_file", "send_document", "send_video", "send_voice")
PROMPTS: dict[str, dict[str, Any]] = {
    "send_exec_approval": {"command": "rm -r secret", "session_key": "key"},
    "send_clarify": {
        "question": "secret?",
        "choices": ["a", "b"],
        "clarify_id": "1",
        "session_key": "key",
    },
    "send_slash_confirm": {
        "title": "secret",
        "message": "secret",
        "session_key": "key",
        "confirm_id": "1",
    },
    "send_update_prompt": {"prompt": "secret"},
    "send_choice_picker": {
        "title": "secret",
        "choices": [{"value": "a", "label": "a", "is_current": True}],
        "session_key": "key",
        "on_choice_selected": _nothing,
    },
}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "text": ("send", {"content": "secret"}),
    "long text": ("send", {"content": "secret words " * 900}),
    "final text": ("send", {"content": "secret"}),
    "status": ("send_or_update_status", {"status_key": "s", "content": "secret"}),
    "images": ("send_multiple_images", {"images": [("file://{file}", "secret")] * 2}),
    **{name: (name, {"{path}": "{file}"}) for name in FILES},
    **{name: (name, options) for name, options in PROMPTS.items()},
}


async def say(adapter: Any, way: str, thread: int, home: Path) -> Any:
    """Send by one of the ways; return the adapter's result, or the error that it raised."""
    name, options = WAYS[way]
    if (method := getattr(adapter, name, None)) is None:
        pytest.skip("this Hermes has no such method")
    file = home / "secret.png"
    file.write_bytes(PNG)
    paths = {
        "send_image_file": "image_path",
        "send_video": "video_path",
        "send_voice": "audio_path",
    }
    text = json.dumps(options, default=repr).replace("{file}", str(file))
    given = json.loads(text.replace("{path}", paths.get(name, "file_path")))
    given |= {key: value for key, value in options.items() if callable(value)}
    try:
        return await method(
            chat_id=str(FORUM),
            **given,
            metadata={"thread_id": str(thread), "notify": way == "final text"},
        )
    except Exception as error:  # noqa: BLE001 - an adapter may report its failure so, too
        return error


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_for_a_telegram_topic_that_is_gone_is_sent_elsewhere(
    telegram: Any, server: FakeTelegram, home: Path, way: str
) -> None:
    done = await say(telegram, way, ROUTED, home)
    assert outside(server) == []
    assert [call for call in server.calls() if call.error and call.place == (FORUM, ROUTED)]
    assert not getattr(done, "success", False)


@pytest.mark.parametrize("way", ["text", "send_exec_approval"])
async def test_hermes_itself_sends_it_into_general(
    telegram: Any, server: FakeTelegram, home: Path, way: str
) -> None:
    await say(telegram, way, UNROUTED, home)
    assert outside(server)


async def test_the_rest_of_a_text_that_grew_too_long_stays_in_its_topic(
    telegram: Any, server: FakeTelegram
) -> None:
    """A worker's calls are kept in their thread by the relay: an edit names no thread itself."""
    server.add_topic(ROUTED, "again")
    sent = await telegram.send(str(FORUM), "begun", metadata={"thread_id": str(ROUTED)})
    server.delete_topic(ROUTED)
    with kept_in(FORUM, ROUTED):
        await telegram.edit_message(
            str(FORUM),
            sent.message_id,
            "secret words " * 900,
            finalize=True,
            metadata={"thread_id": str(ROUTED)},
        )
    assert outside(server) == []


async def test_a_message_that_names_an_unrouted_thread_is_sent_there(
    telegram: Any, server: FakeTelegram
) -> None:
    """A worker's call may send elsewhere, where the settings let it."""
    server.add_topic(UNROUTED, "it exists")
    with kept_in(FORUM, ROUTED):
        sent = await telegram.send(str(FORUM), "hello", metadata={"thread_id": str(UNROUTED)})
    assert sent.success
    assert [call.place for call in server.calls("sendMessage")] == [(FORUM, UNROUTED)]


# -- Mattermost and Feishu -------------------------------------------------------------------------


class Session:
    """Mattermost's side of the HTTP client: a post to a thread fails, for its root is gone."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []

    async def post(self, _path: str, payload: dict[str, Any]) -> dict[str, Any]:
        if "root_id" in payload:
            return {}
        self.posts.append(payload)
        return {"id": "1"}


@pytest.mark.parametrize(("thread", "posted"), [("routed", 0), ("unrouted", 1)])
async def test_a_last_reply_to_a_mattermost_thread_that_is_gone_stays_out_of_the_channel(
    thread: str, posted: int
) -> None:
    adapter = made("mattermost", "MattermostAdapter", extra={"reply_mode": "thread"})
    session = Session()
    adapter._api_post = session.post
    adapter._resolve_root_id = _itself
    adapter._last_post_status, adapter._last_post_error = 400, "invalid root_id: not found"
    OwnPlaces(routes("mattermost", "channel", "routed")).take_over(adapter)
    done = await adapter.send("channel", "secret", metadata={"thread_id": thread, "notify": True})
    assert len(session.posts) == posted
    assert done.success == bool(posted)


async def _itself(value: str) -> str:
    return value


class Feishu:
    """Feishu's side: it takes nothing by the id of a thread, and notes what comes by a chat's."""

    def __init__(self) -> None:
        self.in_chat: list[str] = []

    async def message(self, *, chat_id: str, metadata: Any, **_message: Any) -> Any:
        if metadata and metadata.get("thread_id"):
            return SimpleNamespace(success=lambda: False, code=99992402, msg="no such thread")
        self.in_chat.append(chat_id)
        return SimpleNamespace(success=lambda: True, data=SimpleNamespace(message_id="1"))

    def upload(self, _request: Any) -> Any:
        return SimpleNamespace(success=lambda: True, data=SimpleNamespace(file_key="key"))


@pytest.mark.parametrize("thread", ["routed", "unrouted"])
async def test_a_voice_message_to_a_feishu_thread_that_is_gone_stays_out_of_the_chat(
    home: Path, thread: str
) -> None:
    adapter, feishu = made("feishu", "FeishuAdapter"), Feishu()
    repeats = hasattr(adapter, "_fetch_last_message_in_thread")  # Hermes 0.19 does not
    sent = ["chat"] if repeats and thread == "unrouted" else []
    adapter._client = SimpleNamespace(
        im=SimpleNamespace(v1=SimpleNamespace(file=SimpleNamespace(create=feishu.upload)))
    )
    adapter._send_raw_message = feishu.message
    adapter._build_file_upload_body = lambda **fields: fields  # their library is not here
    adapter._build_file_upload_request = lambda body: body
    adapter._fetch_last_message_in_thread = _nothing
    OwnPlaces(routes("feishu", "chat", "routed")).take_over(adapter)
    voice = home / "secret.opus"
    voice.write_bytes(b"OggS")
    done = await adapter.send_voice("chat", str(voice), metadata={"thread_id": thread})
    assert feishu.in_chat == sent
    assert done.success == bool(sent)
