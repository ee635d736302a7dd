"""What all tests share: async tests run on asyncio, each within pyproject's time limit."""

from __future__ import annotations

import os
import signal

import pytest

from tests.kit import texts


def pytest_configure() -> None:
    """Take Ctrl-C: what a shell starts in the background ignores it, and so would our children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(texts.environ())


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Hermes is an asyncio program: no test needs Trio. Session-wide, for fixtures of any scope."""
    return "asyncio"
