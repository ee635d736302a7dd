"""A Hermes that no test ran on, and a home that a newer Hermes wrote: both are said, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, UNROUTED, build_stage
from tests.kit import FakeModel, FakeTelegram, Gateway
from tests.kit.sabotage import sabotage

OLDER_TESTS = ("hermes_router.protocol.system.versions", "module.NEWEST_TESTED = '0.1.0'")


@pytest.mark.timeout(180)  # a gateway and a cold worker
def test_it_works_and_the_log_says_so_once(
    tmp_path: Path, telegram: FakeTelegram, model: FakeModel
) -> None:
    stage = build_stage(tmp_path, telegram, model)
    sabotage(stage.root, *OLDER_TESTS)
    stage.root.profiles["career"].configure({"_config_version": 9999})
    with Gateway(stage.root) as gateway:
        stage.gateway = gateway
        assert stage.ask("hello", CAREER).text
        assert stage.ask("hello", UNROUTED).text
    log = stage.root.log("agent.log")
    for said in ("newer than any that this hermes-router was tested on", "by a newer Hermes"):
        assert log.count(said) == 1, said
