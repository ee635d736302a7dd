"""The swap holds whatever is imported first, in whichever thread plugins are discovered.

Each start is a process of its own with the real ``gateway.run`` and the real plugin.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

STARTS = 5
"""Of each order in which threads race."""
RACES = ("discovery beside the import", "discovery in the middle of the import")
"""The others take the same steps one after the other: two starts of each are enough."""

PREPARE = """
import asyncio, importlib, json, sys, threading, time, weakref
from types import SimpleNamespace
order, delay = sys.argv[1], float(sys.argv[2])
sys.argv = ["hermes", "gateway", "run"]
plugins = importlib.import_module("hermes_cli.plugins")
def in_thread(work):
    thread = threading.Thread(target=work, name="plugin-discovery", daemon=True)
    thread.start()
    return thread
def background():
    begin = getattr(plugins, "start_background_plugin_discovery", None)
    in_thread(plugins.discover_plugins) if begin is None else begin()
def gateway():
    return importlib.import_module("gateway.run")
def swapped(seconds=100.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        runner = getattr(sys.modules.get("gateway.run"), "GatewayRunner", None)
        if runner is not None and "_hermes_router_swapped" in vars(runner):
            return True
        time.sleep(0.01)
    return False
result = {}
"""

ORDERS = {
    "plugins first": "plugins.discover_plugins(); gateway()",
    "gateway first": "gateway(); plugins.discover_plugins()",
    "discovery beside the import": "background(); time.sleep(delay); gateway()",
    "discovery in the middle of the import": """
in_thread(gateway)
deadline = time.monotonic() + 100
while "gateway.run" not in sys.modules and time.monotonic() < deadline: time.sleep(0.001)
time.sleep(delay)
plugins.discover_plugins()
""",
    "a gateway that runs already": """
class Adapter:
    platform = SimpleNamespace(value="made up")
    def set_message_handler(self, handler): self.handler = handler
    set_busy_session_handler = set_session_store = lambda self, handler: None
async def main():
    module = gateway()
    class Runner(module.GatewayRunner):
        __init__ = _wire_adapter_handlers = lambda self, *a: None
    def wire(self, adapter): adapter.set_message_handler(self._handle_message)
    Runner._wire_adapter_handlers = wire
    runner, adapter = Runner(), Adapter()
    runner.adapters, runner._running, runner.session_store = {adapter.platform.value: adapter}, 1, 0
    runner._gateway_loop = asyncio.get_running_loop()
    wire(runner, adapter)
    old = adapter.handler
    module._gateway_runner_ref = weakref.ref(runner)
    await asyncio.to_thread(plugins.discover_plugins)
    for _ in range(1000):
        if adapter.handler.__func__ is not old.__func__: break
        await asyncio.sleep(0.01)
    result["rewired"] = adapter.handler.__func__ is not old.__func__
    from hermes_router.hermes.install import router_of
    await router_of(runner).stop()
asyncio.run(main())
""",
}


def start(home: Path, order: str, delay: float) -> dict[str, object]:
    code = f"{PREPARE}\n{ORDERS[order]}\nresult['swapped'] = swapped()\nprint(json.dumps(result))"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HERMES_HOME": str(home),
        "HERMES_DISABLE_LAZY_INSTALLS": "1",
    }
    command = f"{code}\nsys.stdout.flush()\nimport os\nos._exit(0)"
    done = subprocess.run(
        [sys.executable, "-c", command, order, str(delay)],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.timeout(600)  # five processes that import a gateway
@pytest.mark.parametrize("auxiliary", [False, True], ids=["plain", "auxiliary section"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_swap_is_never_lost(tmp_path: Path, order: str, *, auxiliary: bool) -> None:
    """With an ``auxiliary`` section importing ``gateway.run`` waits for the discovery."""
    config = "plugins: {enabled: [hermes-router]}\n"
    if auxiliary:
        config += "auxiliary: {vision: {timeout: 20}}\n"
    (tmp_path / "config.yaml").write_text(config)
    with ThreadPoolExecutor(2) as pool:
        delays = [index * 0.05 for index in range(STARTS if order in RACES else 2)]
        results = list(pool.map(lambda delay: start(tmp_path, order, delay), delays))
    expected = {"swapped": True} | (
        {"rewired": True} if order == "a gateway that runs already" else {}
    )
    assert results == [expected] * len(delays)
