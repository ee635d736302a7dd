"""A gateway of root's, at home below root's own HOME, attaches what is a profile's own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.conftest import BOXED, CAREER, Stage, add_boxed, build_stage, start_cold
from tests.kit import FakeModel, FakeTelegram, Reply

PROFILES = {CAREER: "career", BOXED: "boxed"}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="NOT SHOWN: only root has root's HOME")


@pytest.fixture(scope="module")
def below_root() -> Iterator[Path]:
    """A folder that Hermes attaches nothing from, unless told what is its own."""
    folder = Path(tempfile.mkdtemp(prefix="hr-", dir="/root"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def prepared(below_root: Path, telegram: FakeTelegram, model: FakeModel) -> Stage:
    return add_boxed(start_cold(build_stage(below_root, telegram, model), "systems"))


@pytest.mark.parametrize("topic", PROFILES, ids=["local", "bubblewrap"])
def test_the_profiles_own_file_is_attached_and_the_gateways_is_not(
    stage: Stage, topic: int
) -> None:
    own = stage.root.profiles[PROFILES[topic]].path / "workspace" / "report.pdf"
    gateways = stage.root.path / "workspace" / "gateway.pdf"
    for path in (own, gateways):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%PDF-1.4 in " + path.name.encode())
    seq, said = stage.telegram.seq, f"attach in {topic}"
    reply = Reply(f"Here.\nMEDIA:{own}\nMEDIA:{gateways}")
    stage.model.script(reply, contains=said, times=1)
    stage.ask(said, topic, contains="Here")
    stage.wait_settled(PROFILES[topic])
    uploads = [upload.content for call in stage.telegram.calls(after=seq) for upload in call.files]
    assert uploads == [b"%PDF-1.4 in report.pdf"]
