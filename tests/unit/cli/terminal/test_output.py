"""Tables of what others wrote: one line each, in columns, or one below the other."""

from __future__ import annotations

import io
import json
import sys

import pytest

from hermes_router.base.errors import Problem, RouterError
from hermes_router.cli.inspect.findings import Finding, say_finding
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


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def a_terminal(monkeypatch: pytest.MonkeyPatch) -> _Terminal:
    """Return a terminal of 40 columns that stands for standard output and standard error."""
    terminal = _Terminal()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return terminal


WORDS = "the file /a/long/path/that/nobody/may/break/config.yaml cannot be read because of a tag"


def test_prose_is_broken_where_the_terminal_ends_and_words_stay_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = a_terminal(monkeypatch)
    output.say_prose(f"  {output.severity('error')}  ", WORDS)
    output.say_prose("short: ", "it fits")
    assert terminal.getvalue().splitlines() == [
        "  \x1b[31merror\x1b[0m  the file",
        "         /a/long/path/that/nobody/may/break/config.yaml",
        "         cannot be read because of a tag",
        "short: it fits",
    ]


def test_a_pipe_gets_each_sentence_as_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    output.say_prose("error  ", WORDS)
    output.note(WORDS)
    assert capsys.readouterr() == (f"error  {WORDS}\n", f"NOTE: {WORDS}\n")


def test_a_finding_is_broken_but_not_its_place_and_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = a_terminal(monkeypatch)
    command = "HERMES_HOME=/srv/hermes hermes -p career gateway restart"
    finding = Finding(check="x", severity="info", what=WORDS, where="/srv/a b/c d", mend=command)
    say_finding(finding)
    lines = terminal.getvalue().splitlines()
    assert lines[-2:] == ["         where: /srv/a b/c d", f"         fix:   {command}"]
    assert len(lines) == 5


def test_of_a_fix_the_words_are_broken_and_the_commands_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = a_terminal(monkeypatch)
    restart, setup = (f"HERMES_HOME=/srv/hermes hermes gateway {word}" for word in ("a", "b"))
    output.say_steps("fix: ", f"{restart}; if the platform is not set up yet, before that: {setup}")
    output.say_steps("fix: ", "short: hermes setup")
    output.say_steps("fix: ", "chmod 700 /srv/hermes/profiles/the-children")
    assert terminal.getvalue().splitlines() == [
        f"fix: {restart};",
        "     if the platform is not set up yet,",
        "     before that:",
        f"     {setup}",
        "fix: short: hermes setup",
        "fix: chmod 700 /srv/hermes/profiles/the-children",
    ]


def test_words_of_a_record_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    output.say_records(("ID", "PLACE", "OUTCOME"), [("0a1b", "telegram:1", WORDS)])
    assert terminal.getvalue().splitlines()[-1].strip() == "tag"


def test_the_first_line_of_a_record_is_broken_too(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    output.say_records(("PLATFORM", "MATCHES"), [("irc", f"chat #hermes ({'a name ' * 5})")])
    assert [len(line) <= 40 for line in terminal.getvalue().splitlines()] == [True, True]


def test_an_error_and_its_tip_are_broken_but_not_what_is_to_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = a_terminal(monkeypatch)
    tip = "write under the top-level key `plugins`: enabled: [hermes-router]"
    output.complain(RouterError("it cannot be edited with certainty: nothing is safe", hint=tip))
    hint = "give it another name, or make it: hermes profile create career --clone"
    problem = Problem(file="/etc/hermes/config.yaml", line=3, column=4, message=WORDS, hint=hint)
    output.complain_of(problem)
    shown = terminal.getvalue().replace("\x1b[31m", "").replace("\x1b[36m", "")
    assert shown.replace("\x1b[0m", "").splitlines() == [
        "ERROR: it cannot be edited with",
        "       certainty: nothing is safe",
        "TIP: write under the top-level key",
        "     `plugins`:",
        "     enabled: [hermes-router]",
        "  /etc/hermes/config.yaml:3:4: error:",
        "      the file",
        "      /a/long/path/that/nobody/may/break/config.yaml",
        "      cannot be read because of a tag",
        "      give it another name, or make it:",
        "      hermes profile create career --clone",
    ]


def test_of_wide_characters_half_as_many_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    output.say_prose("name: ", f"{'漢' * 20} and 字字")
    assert terminal.getvalue().splitlines() == [
        f"name: {'漢' * 17}",
        f"      {'漢' * 3} and 字字",
    ]


def test_a_word_that_fits_into_a_line_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    output.say_prose("", "what is wrong stands in /srv/家族/config.yaml")
    assert terminal.getvalue().splitlines() == [
        "what is wrong stands in",
        "/srv/家族/config.yaml",
    ]


def test_fields_of_prose_are_broken_and_a_field_without_a_name_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = a_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    command = "hermes-router doctor --home /srv/hermes finds why"
    fields = [("gateway", "running, without the router: it routes nothing"), ("", command)]
    output.say_fields(fields, indent="", prose=True)
    assert terminal.getvalue().splitlines() == [
        "gateway  running, without the router: it",
        "         routes nothing",
        f"         {command}",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_in_every_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an encoding lacks is otherwise written as Python's escapes, which JSON does not have."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    output.prepare()
    names = {"name": "M\u00fcller \u5bb6\u65cf \U0001f600", "line": "a\nb"}
    output.say_json(names)
    output.flush()
    assert json.loads(written.getvalue().decode(encoding)) == names


def test_what_cannot_be_shown_is_a_whole_escape() -> None:
    """An emoji of a family, a text from right to left, a private character, a lone surrogate."""
    text = "\N{WOMAN}\u200d\N{GIRL} \u202eabc \U000e0001 \udc80 \x1b[31m\n"
    shown = output.one_line(text)
    assert shown.isprintable()
    assert shown.encode("latin-1", "backslashreplace").decode("unicode_escape") == text


def test_a_finding_is_one_finding_whatever_a_profile_wrote(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its config.yaml names a provider, and this may hold any characters."""
    provider = "x\nerror    \x1b[32mall is well\x1b[0m"
    say_finding(
        Finding(check="c", severity="warning", what=provider, where=provider, mend=provider)
    )
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == ["warning", "where:", "fix:"]
    assert "\x1b" not in out


def test_the_place_of_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain(RouterError("there is no such file", where="a\nb\x1b[31m"))
    assert capsys.readouterr().err == "ERROR: a\\x0ab\\x1b[31m: there is no such file\n"
