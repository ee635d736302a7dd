"""What all tests share: async tests run on asyncio, each within pyproject's time limit."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile

import pytest

from tests.kit.roots import texts

_HOME = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Take Ctrl-C: what a shell starts in the background ignores it, and so would our children.

    A Hermes that is imported here has a home of its own, not the developer's. It would also move
    temporary files into its home, where a socket's path gets too long.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(texts.environ())
    os.environ.setdefault("TMPDIR", tempfile.gettempdir())
    if not hasattr(config, "workerinput"):  # a process of xdist's has the home of its parent
        config.stash[_HOME] = tempfile.mkdtemp(prefix="hermes-router-tests-")
        os.environ["HERMES_HOME"] = config.stash[_HOME]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove that home."""
    home = config.stash.get(_HOME, None)
    if home is not None:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Hermes is an asyncio program: no test needs Trio. Session-wide, for fixtures of any scope."""
    return "asyncio"
