"""The soak in its short form: minutes of it are `make soak`."""

from __future__ import annotations

import json

import pytest

from tests.tools.soak.__main__ import main

#: It takes 90 s; where the machine is busy, starts and the last outcomes take much longer.
pytestmark = pytest.mark.timeout(420)


def test_every_message_has_one_outcome_while_things_are_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main(["--json"])
    shown = capsys.readouterr()
    assert status == 0, shown.err
    figures = json.loads(shown.out)
    assert figures["answered"] + figures["told"] >= figures["messages"] > 20
    assert figures["gateways_killed"] == 1
    assert figures["workers_killed"] >= 1
    assert figures["calls_refused"] >= 1
