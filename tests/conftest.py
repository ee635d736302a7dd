"""What all tests share: async tests run on asyncio, each within pyproject's time limit."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Hermes is an asyncio program: no test needs Trio. Session-wide, for fixtures of any scope."""
    return "asyncio"
