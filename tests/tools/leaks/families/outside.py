"""Outside: containers, browsers and callers from the network, with another profile's things.

The container engine and the browser are stand-ins, one in each home: programs that note what they
are called with.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.kit import Home
from tests.tools.leaks.families.environment import OVERRIDDEN
from tests.tools.leaks.row import Row
from tests.tools.leaks.side import Side
from tests.tools.leaks.world import ALICE, BOB, DEFAULT, World, plant_file

_ENGINE = """#!{python}
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
words = sys.argv[1:]
with open(os.path.join(here, "engine-called"), "a") as called:
    called.write(json.dumps(words) + "\\n")
if words[:1] == ["run"]:
    print(f"container-of-process-{{os.getpid()}}")
elif words[:1] == ["exec"]:
    words = words[next(i for i, word in enumerate(words) if word.startswith("container-of-")) + 1:]
    os.execvp(words[0], words)
"""


def plant_engines(world: World) -> None:
    """Give each home a container engine of its own, with a folder to mount."""
    for name in (DEFAULT, ALICE, BOB):
        home = world[name]
        engine = plant_file(home.path / "engine", _ENGINE.format(python=sys.executable), 0o755)
        folder = home.path / f"documents-of-{name}"
        folder.mkdir()
        home.env({"HERMES_DOCKER_BINARY": str(engine)})
        volumes = [f"{folder}:/documents"]
        home.configure({"terminal": {"backend": "docker", "docker_volumes": volumes}})


def containers(side: Side) -> str:
    """Have two profiles run something in their containers, and look at what bob's one mounts.

    In a gateway of its own: in the others' the launch profile's terminal is no container.
    """
    planted = Row(key="F2", what="", plant=plant_engines, probe=containers)
    with Side(side.name, [planted]) as other:
        other.run(ALICE, "true")
        mark = other.mark()
        other.run(BOB, f"echo {mark}")
        calls = [call for name in (DEFAULT, ALICE, BOB) for call in _engine_calls(other, name)]
    runs = [call for call in calls if call[0] == "run"]
    if not runs or not any(mark in " ".join(call) for call in calls if call[0] == "exec"):
        side.unsure(f"no container was used: {calls}")
    own = [call for call in _engine_calls_of(calls, mark) if "documents-of-bob" in " ".join(call)]
    return "" if own else "bob's commands run in a container with the launch profile's folder"


def _engine_calls(side: Side, name: str) -> list[list[str]]:
    """Return what a home's engine was called with."""
    return [
        json.loads(line) for line in side.read(side.world[name].path / "engine-called").splitlines()
    ]


def _engine_calls_of(calls: list[list[str]], mark: str) -> list[list[str]]:
    """Return the last start before the call that holds a mark."""
    at = next(number for number, call in enumerate(calls) if mark in " ".join(call))
    return [call for call in calls[:at] if call[0] == "run"][-1:]


_BROWSER = """#!{python}
import json, os, sys
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "browser-called"), "a") as called:
    called.write(f"logins=[{{os.environ.get('AGENT_BROWSER_PROFILE')}}] {{sys.argv[1:]}}\\n")
if "--version" in sys.argv:
    print("agent-browser 0.30.0")
else:
    print(json.dumps({{"success": True, "data": {{"url": "about:kit", "title": "A page"}}}}))
"""


def plant_browsers(world: World) -> None:
    """Give each home a browser; the launch profile's has the folder with its saved logins."""
    for name in (DEFAULT, BOB):
        home = world[name]
        folder = _browser_folder(home)
        browser = plant_file(
            folder / "agent-browser", _BROWSER.format(python=sys.executable), 0o755
        )
        path = OVERRIDDEN["PATH"] if name == DEFAULT else os.environ.get("PATH", os.defpath)
        path = f"{Path(sys.executable).parent}:{path}:{folder}"
        home.env({"PATH": path, "AGENT_BROWSER_EXECUTABLE_PATH": str(browser)})
        # Hermes 0.22 drives another browser tool unless told; 0.19 has this one only.
        home.configure({"browser": {"backend": "off"}})
    world.root.env({"AGENT_BROWSER_PROFILE": "/saved/logins-of-default"})


def _browser_folder(home: Home) -> Path:
    return home.path / "browser"


def browser_session(side: Side) -> str:
    shown = side.call(BOB, "browser_navigate", url="http://127.0.0.1:9/")
    called = "".join(
        side.read(_browser_folder(side.world[name]) / "browser-called") for name in (DEFAULT, BOB)
    )
    opened = [line for line in called.splitlines() if "--session" in line]
    if not opened:
        side.unsure(f"no browser was opened: {shown[:300]}; {called}")
    foreign = any("logins-of-default" in line for line in opened)
    return "bob's browser opens with the launch profile's saved logins" if foreign else ""


_HOOK, _SECRET = "for-alice", "secret-of-the-hook-for-alice"


def plant_webhook(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    hook = {"secret": _SECRET, "prompt": "hook {what}", "deliver": "log"}
    extra = {"host": "127.0.0.1", "port": port, "routes": {_HOOK: hook}}
    world.root.configure({"platforms": {"webhook": {"enabled": True, "extra": extra}}})


def foreign_address(side: Side) -> str:
    """Call bob's address with the secret of another hook."""
    mark, seen = side.mark(), side.model.seq
    port = side.world.root.config["platforms"]["webhook"]["extra"]["port"]
    answer = httpx.post(
        f"http://127.0.0.1:{port}/p/{BOB}/webhooks/{_HOOK}",
        json={"what": mark},
        headers={"X-Gitlab-Token": _SECRET},
        timeout=30,
        trust_env=False,
    )

    def asked() -> list[str]:
        requests: list[Any] = side.model.requests("chat", after=seen)
        return [request.api_key for request in requests if mark in request.last_user]

    if answer.status_code < 300 and not side.wait(asked, 60):
        side.unsure("the hook was accepted, and nobody answered")
    return (
        "bob's profile is at work for who knows another hook's secret"
        if ("key-of-bob" in asked())
        else ""
    )


ROWS = (
    Row(
        key="F2",
        what="containers of one profile with the folders of another",
        probe=containers,
        upstream=(101132, 95470, 96992),
        leaked_until="0.19",
    ),
    Row(
        key="S12",
        what="the launch profile's browser, with its saved logins",
        plant=plant_browsers,
        probe=browser_session,
        leaked_until="0.19",
    ),
    Row(
        key="R8",
        what="a webhook's secret opens another profile's address",
        plant=plant_webhook,
        probe=foreign_address,
        upstream=(72041, 92871),
        leaked_until="0.19",
    ),
)
