"""What counts as an answer during a drain is what the installed Hermes reads as one."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gateway.run
import pytest

from hermes_router_worker.hermes.session import answers, questions

TREE = ast.parse(Path(gateway.run.__file__).read_text("utf-8"))


def sets_compared_with(*names: str) -> Iterator[str]:
    """Yield the words of the set displays that one of these variables is looked up in."""
    for node in ast.walk(TREE):
        if isinstance(node, ast.Compare) and getattr(node.left, "id", None) in names:
            yield from words(node.comparators[0])


def sets_called(*names: str) -> Iterator[str]:
    """Yield the words of the set displays that are assigned to one of these variables."""
    for node in ast.walk(TREE):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in names:
            yield from words(node.value)


def words(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Set):
        yield from (str(word.value) for word in node.elts if isinstance(word, ast.Constant))


RUNNER = gateway.run.GatewayRunner
#: Hermes 0.22 has functions that tell its words. 0.21 has tables of them, older ones have them in
#: the code of a method.
TELLS = hasattr(RUNNER, "_plaintext_approval_words")


@pytest.fixture
def runner() -> Any:
    """The real class, without what its constructor sets up."""
    return object.__new__(RUNNER)


def table(name: str) -> set[str]:
    return set(getattr(RUNNER, name, ()))


def approval_words(runner: Any) -> set[str]:
    if TELLS:
        return set(runner._plaintext_approval_words())
    in_code = {*sets_called("_approve_words", "_deny_words"), *sets_compared_with("_raw_text")}
    return table("_PLAINTEXT_APPROVAL_WORDS") or in_code


def confirmation_words(runner: Any) -> set[str]:
    if TELLS:
        return set(runner._slash_confirm_text_choices())
    return table("_SLASH_CONFIRM_TEXT_CHOICES") or set(sets_compared_with("_norm_reply"))


def test_the_words_for_approvals_are_those_of_hermes(runner: Any) -> None:
    words = approval_words(runner)
    assert {"yes", "no", "👍"} <= words
    assert set(answers.approval_words(runner)) == words


def test_the_words_for_confirmations_are_those_of_hermes(runner: Any) -> None:
    words = confirmation_words(runner)
    commands = table("_SLASH_CONFIRM_CMD_CHOICES") or set(sets_compared_with("_cmd_reply"))
    assert words
    assert "cancel" in commands
    assert set(answers.confirmation_words(runner)) == words
    assert set(answers.confirmation_commands(runner)) == commands


@pytest.mark.skipif(not TELLS, reason="this Hermes reads English words only")
def test_words_in_the_language_of_the_profile_are_answers(
    runner: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    i18n = importlib.import_module("agent.i18n")
    (tmp_path / "locales").mkdir()
    (tmp_path / "locales" / "pl.yaml").write_text(
        "approval.inputs.approve: tak\napproval.inputs.confirm_cancel: anuluj\n", "utf-8"
    )
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    monkeypatch.setenv("HERMES_LANGUAGE", "pl")
    i18n.reset_language_cache()
    assert {"tak", "yes"} <= set(answers.approval_words(runner))
    assert "anuluj" in answers.confirmation_words(runner)


PENDING = ("approval", "clarify", "confirm", "nothing")


@pytest.mark.parametrize("what", PENDING)
def test_only_what_answers_is_awaited(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    modules = {
        "tools.approval": SimpleNamespace(has_blocking_approval=lambda _key: what == "approval"),
        "tools.clarify_gateway": SimpleNamespace(
            get_pending_for_session=lambda _key, **_: object() if what == "clarify" else None
        ),
        "tools.slash_confirm": SimpleNamespace(
            get_pending=lambda _key: {"id": 1} if what == "confirm" else None
        ),
    }
    monkeypatch.setattr(questions, "_module", modules.__getitem__)
    texts = ("yes", "whatever I like", "/cancel", "/skill now", "a new task")
    awaited = [text for text in texts if answers.is_awaited(object(), "key", event(text))]
    expected = {
        "approval": ["yes"],
        "clarify": ["yes", "whatever I like", "a new task"],
        "confirm": ["/cancel"],
        "nothing": [],
    }
    assert awaited == expected[what]


def event(text: str) -> Any:
    command = text[1:].split(maxsplit=1)[0] if text.startswith("/") else None
    return SimpleNamespace(text=text, get_command=lambda: command)
