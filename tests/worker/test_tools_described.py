"""A turn does not ask again which tools the machine has: the template asked for all its workers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import FakeModel, FakeTelegram, HermesRoot
from tests.kit.workers.real_worker import WorkerKit

pytestmark = pytest.mark.timeout(300)

_threads = itertools.count(100)

PLUGIN = """
import os
from pathlib import Path

import tools.registry

tools.registry._CHECK_FN_TTL_SECONDS = 0.0  # an answer is old at once
ASKED = Path(__file__).parent / "asked"
SCHEMA = {
    "name": "noting",
    "description": "Says ok.",
    "parameters": {"type": "object", "properties": {}},
}


def register(ctx):
    ctx.register_tool("noting", "noting", SCHEMA, lambda args, **_: "ok", check_fn=is_there)


def is_there():
    with ASKED.open("a") as file:
        print(os.getpid(), file=file)
    return True
"""


@pytest.fixture(scope="module", params=[None, ["tts", "vision"]], ids=["all", "some disabled"])
def root(
    tmp_path_factory: pytest.TempPathFactory,
    model: FakeModel,
    request: pytest.FixtureRequest,
) -> Iterator[HermesRoot]:
    with FakeTelegram() as telegram:
        root = HermesRoot(tmp_path_factory.mktemp("asked"), telegram=telegram, model=model)
        config = {"agent": {"disabled_toolsets": request.param}}
        home = root.add_profile("noting", model="gpt-of-career", config=config)
        home.add_plugin("noting", PLUGIN)
        yield root


@pytest.fixture
def asked(root: HermesRoot) -> Path:
    return root.profiles["noting"].path / "plugins" / "noting" / "asked"


def test_a_turn_asks_for_no_tool(root: HermesRoot, model: FakeModel, asked: Path) -> None:
    with WorkerKit(root, "noting") as kit:
        kit.place(next(_threads)).ask("the first turn of a home does more")
        before, seen = asked.read_text(), model.seq
        kit.place(next(_threads)).ask("which tools are there?")
        request = model.wait_for(lambda r: "which tools" in str(r.messages), after=seen, timeout=60)
        assert "noting" in request.tools
        assert asked.read_text() == before
