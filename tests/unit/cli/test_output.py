"""Tables of what others wrote: one line each, in columns, or one below the other."""

from __future__ import annotations

import pytest

from hermes_router.cli.parser import COMMANDS
from hermes_router.cli.terminal import output


def test_a_name_with_a_newline_makes_no_row(capsys: pytest.CaptureFixture[str]) -> None:
    output.say_table(("A", "B"), [("x\ny", "z")])
    assert capsys.readouterr().out == "A       B\nx\\x0ay  z\n"


def test_wide_characters_take_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    output.say_table(("A", "B"), [("家族", "z"), ("abcd", "y")])
    assert capsys.readouterr().out == "A     B\n家族  z\nabcd  y\n"


def test_a_narrow_terminal_gets_records(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    output.say_table(("ONE", "TWO", "THREE"), [("a" * 10, "b" * 10, "c" * 10)])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 24


def test_one_is_not_many() -> None:
    assert output.counted(1, "route") == "1 route"
    assert output.counted(2, "route") == "2 routes"


def test_hints_name_the_command_that_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    hint = "hermes-router enable --home x, then hermes-router routes; hermes-router is a plugin"
    monkeypatch.setattr(output, "_names", [])
    assert output.clean(hint) == hint
    output.called_as("hermes router")
    assert output.clean(hint) == (
        "hermes router enable --home x, then hermes router routes; hermes-router is a plugin"
    )
    for name in COMMANDS:
        assert output.clean(f"hermes-router {name}") == f"hermes router {name}"
