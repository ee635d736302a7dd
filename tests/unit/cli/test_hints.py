"""A hint names a command as the person has called ours: with the home that was given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hermes_router
from hermes_router.cli import next_step
from hermes_router.cli.commands import status
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.gateway import unanswered
from hermes_router.cli.inspect.homes import GatewayHome
from hermes_router.cli.parser import COMMANDS
from hermes_router.observe.status import client
from hermes_router.observe.status.client import NoAnswer
from hermes_router.observe.status.messages import Answer, Configuration, Status

START = "hermes gateway run; if that does not help: "
ENABLED = "plugins: {enabled: [hermes-router]}\n"
GIVEN = GatewayHome(path=Path("/h"), chosen_by="--home")


def _status(closed: str) -> Status:
    found = Configuration(file="config.yaml", routes=0, warm_profiles=8)
    return Status(pid=4_194_299, home="/h", uptime=86.0, routing_closed=closed, configuration=found)


@pytest.mark.parametrize(
    ("closed", "words"),
    [("Hermes lacks a function", "hermes-router doctor --home /h"), ("", "PROFILE --home /h")],
)
def test_a_tip_names_the_home(closed: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    status.show(_status(closed), "hermes-router {} --home /h".format)
    shown = capsys.readouterr()
    assert words in shown.out + shown.err


def test_a_tip_names_no_home_where_none_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    status.show(_status("Hermes lacks a function"))
    assert "TIP: hermes-router doctor says" in capsys.readouterr().err


# -- a gateway that does not answer ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "given", "found"),
    [
        (
            "not running",
            f"HERMES_HOME=/h {START}hermes-router doctor --home /h",
            f"{START}hermes-router doctor",
        ),
        ("stale", "HERMES_HOME=/h hermes gateway run", "hermes gateway run"),
        (
            "does not answer",
            "hermes-router logs --since 5m --home /h",
            "hermes-router logs --since 5m",
        ),
        ("another version", "HERMES_HOME=/h hermes gateway restart", "hermes gateway restart"),
    ],
)
def test_the_hint_about_a_gateway_without_an_answer_names_the_home(
    state: str, given: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(_home: Path, _what: str) -> Answer:
        raise NoAnswer(state, "no answer", where="/h/socket")

    monkeypatch.setattr(client, "ask", ask)
    for home, command in ((GIVEN, given), (GatewayHome(path=Path("/h"), chosen_by=""), found)):
        with pytest.raises(NoAnswer) as caught:
            unanswered.ask(home)
        assert caught.value.hint.endswith(f": {command}")
        assert (caught.value.state, caught.value.where) == (state, "/h/socket")


# -- the next command ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "command"),
    [
        ("plugins: [\n", "hermes-router routes"),
        (None, "hermes-router enable"),
        ("model: {default: x}\n", "hermes-router enable"),
        (ENABLED, "hermes-router init"),
        (
            f"{ENABLED}profile_routes: [{{platform: irc, chat_id: c, profile: career}}]\n",
            "hermes -p writing gateway run",
        ),
    ],
)
def test_the_next_command_is_about_the_home_that_was_found(
    config: str | None, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "profiles" / "writing"
    home.mkdir(parents=True)
    if config is not None:
        (home / "config.yaml").write_text(config)
    monkeypatch.setenv("HERMES_HOME", str(home))
    assert next_step.next_step().partition("  (")[0] == command


# -- every hint ------------------------------------------------------------------------------------

#: A command of ours, or of Hermes, as a text of the code may name it.
_COMMAND = re.compile(
    rf"hermes-router ({'|'.join(COMMANDS)})\b(?! --help)|(?<![`./])hermes (-p|[a-z]+) [a-z{{]"
)
#: Where a home is given, these texts hold nevertheless.
_KNOWN = {
    "hermes-router test-route",  # the name of the adapter of --say
    "hermes-router doctor  (there is no Hermes home yet)",
    "run: hermes profile use default, or give the gateway's home by --home",
}


def _texts(module: Path) -> Iterator[str]:
    """Yield the texts in a module's code, without docstrings and without the ends of helps."""
    tree = ast.parse(module.read_text("utf-8"))
    described = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        or (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_EPILOG")
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in described:
            yield str(node.value)


def test_no_text_names_a_command_without_the_home() -> None:
    """``home.router(...)`` and ``home.hermes(...)`` make the command for the home that is meant."""
    package = Path(hermes_router.__file__).parent
    modules = [*package.glob("cli/**/*.py"), package / "observe" / "status" / "client.py"]
    found = {text for module in modules for text in _texts(module) if _COMMAND.search(text)}
    assert found == _KNOWN


def test_the_hint_about_a_missing_profile_names_the_root(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("profile_routes: [{platform: irc, chat_id: c, profile: career}]\n")
    config, _ = loading.read(file, GatewayHome(path=tmp_path, chosen_by="--home"))
    assert config is not None
    [problem] = config.problems
    assert problem.hint == f"create it: HERMES_HOME={tmp_path} hermes profile create career --clone"
