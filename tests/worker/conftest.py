"""A worker's real Hermes for each test module, forked for each turn; no gateway, no platform."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.kit import FakeModel, FakeTelegram, HermesRoot
from tests.kit.workers.real_worker import Place, WorkerKit

LINGER = 'echo begun >> "$HERMES_HOME/begun-by-command"; sleep 20'
"""What the profile's command `/linger` does, which asks no model."""

_threads = itertools.count(100)


@pytest.fixture(scope="session")
def model() -> Iterator[FakeModel]:
    with FakeModel(models=("gpt-of-career", "other-model")) as server:
        yield server


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[HermesRoot]:
    with FakeTelegram() as telegram:  # a root has a bot; nobody here connects to it
        root = HermesRoot(tmp_path_factory.mktemp("worker"), telegram=telegram, model=model)
        root.add_profile(
            "career",
            model="gpt-of-career",
            config={
                "approvals": {"destructive_slash_confirm": False},
                "quick_commands": {"linger": {"type": "exec", "command": LINGER}},
            },
        )
        yield root


@pytest.fixture(scope="session")
def kit(root: HermesRoot) -> Iterator[WorkerKit]:
    with WorkerKit(root, "career") as kit:
        yield kit


@pytest.fixture
def place(kit: WorkerKit) -> Place:
    """A topic in which nothing was said before."""
    return kit.place(next(_threads))
