"""A ledger that cannot be written, and files that say nothing. Disks: ``faults/``."""

from __future__ import annotations

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, Stage
from tests.gateway.failures.outcomes import said

#: Most tests start the gateway again, and its workers cold.
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("clean")]

#: Bytes that are no text and no message of any format.
GARBAGE = b"\xc1\xc1\x00{[" * 50


def test_a_ledger_that_cannot_be_written_is_said_in_the_chat_once(stage: Stage) -> None:
    folder = stage.root.path / "hermes-router"
    away = folder.with_name("hermes-router-away")
    stage.gateway.stop()
    folder.rename(away)
    folder.touch()
    stage.gateway.start()
    seq = stage.telegram.seq
    try:
        stage.ask("are you there?", CAREER, contains="are you there?")
        stage.ask("and again?", CAREER, contains="and again?")
        texts = said(stage, CAREER, seq)
    finally:
        folder.unlink()
        away.rename(folder)
    assert [text for text in texts if "could not record it" in text] == texts[:1]
    assert texts[1:] == ["echo: are you there?", "echo: and again?"]
    stage.ask("all well?", CAREER, contains="all well?")
    assert said(stage, CAREER, seq)[3:] == ["echo: all well?"]


def test_files_that_are_garbage_cost_no_message(stage: Stage) -> None:
    stage.ask("warm up", CAREER, contains="warm up")
    stage.gateway.stop()
    homes = [stage.root.path, stage.root.profiles["career"].path]
    files = [path for home in homes for path in (home / "hermes-router").rglob("*")]
    spoilt = [path for path in files if path.is_file()]
    assert spoilt
    for path in spoilt:
        path.write_bytes(GARBAGE)
    stage.gateway.start()
    seq = stage.telegram.seq
    stage.ask("are you there?", CAREER, contains="are you there?")
    stage.ask("and you?", SYSTEMS, contains="and you?")
    assert said(stage, CAREER, seq) == ["echo: are you there?"]
