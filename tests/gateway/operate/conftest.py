"""One gateway for all that only asks and looks; a file that changes it has one of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import Stage, build_stage
from tests.kit import FakeModel, FakeTelegram, Gateway


@pytest.fixture(scope="package")
def port() -> int:
    """A port that was free a moment ago: the metrics are served there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number: int = listener.getsockname()[1]
        return number


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Stage]:
    with FakeTelegram() as telegram, FakeModel() as model:
        stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
        stage.root.configure({"hermes_router": {"metrics": {"port": port}}})
        with Gateway(stage.root) as stage.gateway:
            yield stage
