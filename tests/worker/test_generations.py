"""A managed installation: what forks, and how long the generation that its workers run is kept."""

from __future__ import annotations

import importlib.util
import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hermes_router.workers.code import own_code
from tests.kit import FakeModel, FakeTelegram, HermesRoot
from tests.kit.model.directives import tool
from tests.kit.roots.managed import ManagedInstall
from tests.kit.waiting import wait_until
from tests.kit.workers.real_worker import Turn, WorkerKit

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        importlib.util.find_spec("pm") is None, reason="this Hermes has no package manager"
    ),
]


_threads = itertools.count(100)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, model: FakeModel) -> Iterator[HermesRoot]:
    with FakeTelegram() as telegram:
        root = HermesRoot(tmp_path_factory.mktemp("managed"), telegram=telegram, model=model)
        root.add_profile("career", model="gpt-of-career")
        yield root


@pytest.fixture(scope="module")
def install(root: HermesRoot) -> Iterator[ManagedInstall]:
    """An installation whose launcher starts all workers here, as a gateway of it would."""
    install = ManagedInstall(root.path)
    install.build()
    code = install.worker_code(root.base / "code")
    own_code.use(code)
    yield install
    own_code.use(None)
    code.remove()
    install.remove()


@contextmanager
def held(kit: WorkerKit, folder: Path) -> Iterator[Turn]:
    """Have a turn whose tool runs until the end of the block; then wait for the worker's end."""
    begun, go = folder / "begun", folder / "go"
    command = f"touch {begun}; while [ ! -e {go} ]; do sleep 0.05; done; echo it went on"
    turn = kit.place(next(_threads)).say(tool("terminal", command=command))
    try:
        wait_until(begun.exists, 120)
        yield turn
    finally:
        go.touch()
        turn.wait_gone()


def test_a_generation_stays_until_the_last_worker_of_its_template_has_ended(
    root: HermesRoot, install: ManagedInstall, tmp_path: Path
) -> None:
    first = install.state / "environments" / "first"
    with WorkerKit(root, "career") as kit:
        template = kit._template
        assert template is not None, kit.log
        assert "good morning" in kit.place(next(_threads)).ask("good morning")
        with held(kit, tmp_path) as turn:
            install.select(install.add_generation("second"))
            install.collect()
            assert first.is_dir(), "the template and a worker run it, another worker has ended"
            os.kill(template.pid, signal.SIGKILL)
            wait_until(lambda: template.ended)
            install.collect()
            assert first.is_dir(), "a worker runs it"
        assert "it went on" in turn.said
        install.collect()
        assert not first.exists()
