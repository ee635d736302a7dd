"""The test kit: a fake Telegram, a fake model, throw-away Hermes roots, and the real gateway.

Shared by the tests, the demo and the benchmark. Everything listens on 127.0.0.1 and lives in a
folder that the caller gives. See the modules' docstrings for the contracts.
"""

from tests.kit.gateway import Gateway, GatewayFailedError
from tests.kit.model.server import FakeModel
from tests.kit.model.types import ModelRequest, Reply, ToolCall
from tests.kit.roots.homes import DEFAULT_KEY, MARKER, HermesRoot, Home
from tests.kit.telegram.server import FakeTelegram
from tests.kit.telegram.types import FORUM, TOKEN, USER, Button, Call, Message, Upload

__all__ = [
    "DEFAULT_KEY",
    "FORUM",
    "MARKER",
    "TOKEN",
    "USER",
    "Button",
    "Call",
    "FakeModel",
    "FakeTelegram",
    "Gateway",
    "GatewayFailedError",
    "HermesRoot",
    "Home",
    "Message",
    "ModelRequest",
    "Reply",
    "ToolCall",
    "Upload",
]
