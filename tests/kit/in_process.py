"""The router in a process with Hermes's `GatewayRunner`, without a gateway: for its handling alone.

A script is a coroutine `play(router, adapter, say, home)` that returns what the test looks at.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.kit.roots.ordinary_user import as_ordinary_user

#: Topic 6 of the chat -100 is career's.
ROUTES = "gateway: {profile_routes: {telegram: {'-100': {'6': career}}}}\n"

_FRAME = """
import asyncio, itertools, json, os, pathlib
from types import SimpleNamespace
from gateway.config import Platform
from gateway.platforms.base import MessageEvent
from gateway.run import GatewayRunner
from gateway.session import SessionSource
from hermes_router.hermes import router as module

class Adapter:
    def __init__(self): self.sent = []
    async def send(self, chat_id, text, metadata=None): self.sent.append(text)

numbers, adapter, calls = itertools.count(5), Adapter(), []

def runner():
    made = GatewayRunner.__new__(GatewayRunner)
    made.adapters = {Platform("telegram"): adapter}
    made.config, made.session_store = SimpleNamespace(platforms={}), None
    made._is_user_authorized = lambda source, **more: True
    made._session_key_for_source = lambda source: "key"
    made._reply_anchor_for_event = lambda event: None
    made._thread_metadata_for_source = lambda source, anchor: {"thread_id": source.thread_id}
    made._check_slash_access = lambda *args, **more: None
    made._running_agents, made._running_agents_ts = {}, {}
    made._draining = False
    return made

async def settled(condition):
    for _ in range(200):
        if condition(): return
        await asyncio.sleep(0.02)

async def main():
    home = pathlib.Path(os.environ["HERMES_HOME"])
    router = module.GatewayRouter(runner())
    async def original(): calls.append(1)
    async def say(text):
        source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                               thread_id="6", user_id="1")
        event = MessageEvent(text=text, source=source, message_id=str(next(numbers)))
        await router.handle(event, original)
    result = await play(router, adapter, say, home)
    await router.stop()
    print(json.dumps(result | {"original": len(calls)}))

"""


def play(
    script: str, home: Path, config: str = ROUTES, *, ordinary: bool = False
) -> dict[str, Any]:
    """Run ``script`` in a home with the profile career; return what its coroutine returned.

    ``script`` is Python code with a coroutine function ``play``, see the module's text. The key
    ``original`` is added to the result: how many messages the router passed on to Hermes itself.
    With ``ordinary`` the process is an ordinary user's, also where the tests run as root.
    """
    return run(f"{_FRAME}{script}\nasyncio.run(main())", home, config, ordinary=ordinary)


def run(code: str, home: Path, config: str = ROUTES, *, ordinary: bool = False) -> dict[str, Any]:
    """Run a Python program in a home with the profile career; return the JSON of its last line.

    ``config`` becomes the home's ``config.yaml``. ``ordinary`` is as for :func:`play`. The test
    fails if the program does.
    """
    command = [sys.executable, "-c", code]
    (home / "profiles" / "career").mkdir(parents=True, exist_ok=True)
    (home / "profiles" / "career" / "SOUL.md").touch()
    (home / "config.yaml").write_text(config)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HERMES_HOME": str(home),
        "HERMES_DISABLE_LAZY_INSTALLS": "1",
    }
    done = subprocess.run(
        as_ordinary_user(command, home) if ordinary else command,
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
