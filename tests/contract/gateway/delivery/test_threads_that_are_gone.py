"""What is for a thread that is gone goes nowhere else, whatever an adapter itself falls back to."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from gateway.config import Platform, PlatformConfig
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError
from httplib2 import Response

from hermes_router.config.model import RouterConfig
from hermes_router.hermes.features.adapters.own_place import OwnPlaces
from hermes_router.routing.table import Route, RouteTable

SPACE = "spaces/A"
ROUTED, UNROUTED = f"{SPACE}/threads/career", f"{SPACE}/threads/other"

#: As much of Google Chat's own description as sending a message needs.
DISCOVERY = {
    "kind": "discovery#restDescription",
    "name": "chat",
    "version": "v1",
    "rootUrl": "http://127.0.0.1:9/",
    "servicePath": "",
    "baseUrl": "http://127.0.0.1:9/",
    "schemas": {"Message": {"id": "Message", "type": "object"}},
    "resources": {
        "spaces": {
            "resources": {
                "messages": {
                    "methods": {
                        "create": {
                            "id": "chat.spaces.messages.create",
                            "path": "v1/{+parent}/messages",
                            "httpMethod": "POST",
                            "parameters": {
                                "parent": {"type": "string", "required": True, "location": "path"},
                                "messageReplyOption": {"type": "string", "location": "query"},
                            },
                            "request": {"$ref": "Message"},
                            "response": {"$ref": "Message"},
                        },
                        "patch": {
                            "id": "chat.spaces.messages.patch",
                            "path": "v1/{+name}",
                            "httpMethod": "PATCH",
                            "parameters": {
                                "name": {"type": "string", "required": True, "location": "path"},
                                "updateMask": {"type": "string", "location": "query"},
                            },
                            "request": {"$ref": "Message"},
                            "response": {"$ref": "Message"},
                        },
                    }
                }
            }
        }
    },
}


class GoogleChat:
    """Google's side: knows which threads are there, and notes what is asked of it."""

    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.said: list[tuple[str, str, str]] = []  # method, thread or message, text

    def request(
        self, uri: str, method: str = "GET", body: Any = None, **_more: Any
    ) -> tuple[Response, bytes]:
        """Answer a call of the client's."""
        message = json.loads(body)
        if method == "PATCH":
            self.said.append((method, urlsplit(uri).path, message["text"]))
            return Response({"status": "200"}), b'{"name": "patched"}'
        (option,) = parse_qs(urlsplit(uri).query).get("messageReplyOption", [""])
        thread = message.get("thread", {}).get("name", "")
        if thread in self.gone:
            if option == "REPLY_MESSAGE_OR_FAIL":
                return Response({"status": "404"}), b'{"error": {"message": "no such thread"}}'
            thread = "a new thread"
        self.said.append((method, thread, message["text"]))
        return Response({"status": "200"}), json.dumps({"name": f"{SPACE}/messages/1"}).encode()


def routes() -> RouterConfig:
    """Return the configuration in which one thread of the space is a profile's."""
    route = Route(platform="google_chat", profile="career", chat_id=SPACE, thread_id=ROUTED)
    return RouterConfig(path=Path(), table=RouteTable.index((route,))[0])


@pytest.fixture
def google() -> GoogleChat:
    return GoogleChat()


@pytest.fixture
def adapter(google: GoogleChat, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the real adapter, connected to ours."""
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    module = importlib.import_module("plugins.platforms.google_chat.adapter")
    monkeypatch.setattr(module, "HttpError", HttpError)
    made = module.GoogleChatAdapter(PlatformConfig(enabled=True))
    made._chat_api = build_from_document(json.dumps(DISCOVERY), http=google)
    made._new_authed_http = lambda: google
    assert made.platform is Platform("google_chat")
    OwnPlaces(routes).take_over(made)
    return made


async def test_a_reply_to_a_routed_thread_that_is_gone_is_not_sent(
    adapter: Any, google: GoogleChat, caplog: pytest.LogCaptureFixture
) -> None:
    google.gone = {ROUTED, UNROUTED}
    done = await adapter.send(SPACE, "private words", metadata={"thread_id": ROUTED})
    assert not done.success
    assert google.said == []
    assert f"topic {ROUTED} of chat {SPACE} was deleted" in caplog.text
    await adapter.send(SPACE, "hello", metadata={"thread_id": UNROUTED})  # Hermes's own way
    assert google.said == [("POST", "a new thread", "hello")]


async def test_a_reply_to_a_routed_thread_becomes_no_card_of_another(
    adapter: Any, google: GoogleChat
) -> None:
    await adapter.send_typing(SPACE, {"thread_id": UNROUTED})
    await adapter.send_typing(SPACE, {"thread_id": ROUTED})
    await adapter.send(SPACE, "private words", metadata={"thread_id": ROUTED})
    assert google.said[1:] == [("POST", ROUTED, "private words")]
    await adapter.send(SPACE, "hello", metadata={"thread_id": UNROUTED})
    assert google.said[2][0::2] == ("PATCH", "hello")
