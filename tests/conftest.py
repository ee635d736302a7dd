"""What all tests share: async tests run on asyncio, each within pyproject's time limit."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile

import pytest

from tests.kit.roots import texts

# A Hermes that is imported here has a home of its own, not the developer's. It would also move
# temporary files into its home, where a socket's path gets too long. That must be so before the
# conftest of any folder is read.
os.environ.setdefault("TMPDIR", tempfile.gettempdir())
#: Made by this process; one of xdist's has the home of its parent.
_HOME = ""
if "PYTEST_XDIST_WORKER" not in os.environ:
    _HOME = os.environ["HERMES_HOME"] = tempfile.mkdtemp(prefix="hermes-router-tests-")
os.environ.update(texts.environ())


def pytest_configure() -> None:
    """Take Ctrl-C: what a shell starts in the background ignores it, and so would our children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """Remove that home."""
    if _HOME:
        shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Hermes is an asyncio program: no test needs Trio. Session-wide, for fixtures of any scope."""
    return "asyncio"
