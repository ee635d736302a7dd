"""Words of a command line that cannot be meant are refused, and nothing is read or written."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.cli import entry


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a home in it, which nobody has named."""
    home = tmp_path / "hermes"
    home.mkdir()
    monkeypatch.setenv("HERMES_HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("given", ["", " ", "~nobody-of-this-name/.hermes"])
@pytest.mark.parametrize(
    "words",
    [
        ["routes", "--home"],
        ["enable", "--home"],
        ["disable", "--purge", "--home"],
        ["test-route", "telegram:5", "--config"],
        ["routes", "--check"],
    ],
)
def test_a_path_that_names_nothing_is_not_the_working_directory(
    words: list[str], given: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty text is what an unset variable of a shell leaves."""
    before = sorted(folder.rglob("*"))
    assert entry.main([*words, given]) == 2
    said = capsys.readouterr().err
    assert f"ERROR: {words[-1]} " in said
    assert ("empty" if not given.strip() else "does not exist") in said
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("given", ["99999999999d", "999999d", "9" * 5000 + "h"])
def test_a_time_before_all_times_is_no_time(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        entry.main(["turns", "--since", given])
    assert ended.value.code == 2
    assert "is not a time: write 10m" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["--home", "x", "routes"], ["--home=x", "routes"], ["-v", "doctor"]]
)
def test_an_option_before_the_command_is_told_as_such(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(words) == 2
    said = capsys.readouterr().err
    assert f"{words[0]!r} stands before the command" in said
    assert "options stand behind it: hermes-router COMMAND" in said
