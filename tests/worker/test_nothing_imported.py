"""A forked worker imports nothing for a plain turn: what is imported there, each turn waits for."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import FakeModel, FakeTelegram, HermesRoot
from tests.kit.model.directives import tool
from tests.kit.waiting import wait_until
from tests.kit.workers.real_worker import WorkerKit

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        importlib.util.find_spec("pm") is None, reason="older releases import other modules"
    ),
]

_threads = itertools.count(100)

PLUGIN = """
import atexit, os, sys
from pathlib import Path

IMPORTED = Path(__file__).parent / "imported"


def register(ctx):
    before = set()
    os.register_at_fork(after_in_child=lambda: before.update(sys.modules))
    atexit.register(lambda: note(sorted(set(sys.modules) - before)))


def note(names):
    IMPORTED.mkdir(exist_ok=True)
    (IMPORTED / str(os.getpid())).write_text("\\n".join(names))
"""


@pytest.fixture(scope="module")
def home(root: HermesRoot) -> Path:
    return root.profiles["imports"].path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[HermesRoot]:
    with FakeTelegram() as telegram:
        root = HermesRoot(tmp_path_factory.mktemp("imports"), telegram=telegram, model=model)
        root.add_profile("imports", model="gpt-of-career").add_plugin("imports", PLUGIN)
        yield root


@pytest.fixture(scope="module")
def kit(root: HermesRoot) -> Iterator[WorkerKit]:
    with WorkerKit(root, "imports") as kit:
        kit.place(next(_threads)).ask("the first turn of a home does more")
        yield kit


@pytest.mark.parametrize(
    "text", ["good morning", f"work {tool('terminal', command='echo done')}"], ids=["plain", "tool"]
)
def test_nothing_is_imported_after_the_fork(kit: WorkerKit, home: Path, text: str) -> None:
    place = kit.place(next(_threads))
    place.ask("a session that is known")
    noted = home / "plugins" / "imports" / "imported"
    before = set(noted.iterdir())
    place.ask(text)
    wait_until(lambda: set(noted.iterdir()) - before, 60)
    (imported,) = set(noted.iterdir()) - before
    assert imported.read_text().split() == []
