"""What counts as an answer during a drain is what the installed Hermes reads as one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gateway.run
import pytest

from hermes_router_worker.session import answers

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


def test_the_words_for_approvals_are_those_of_hermes() -> None:
    known = {*sets_called("_approve_words", "_deny_words"), *sets_compared_with("_raw_text")}
    assert known == answers.APPROVAL_WORDS


def test_the_words_for_confirmations_are_those_of_hermes() -> None:
    assert set(sets_compared_with("_norm_reply")) == answers.CONFIRMATION_WORDS
    assert set(sets_compared_with("_cmd_reply")) == answers.CONFIRMATION_COMMANDS


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
    monkeypatch.setattr(answers, "_module", modules.__getitem__)
    texts = ("yes", "whatever I like", "/cancel", "/skill now", "a new task")
    awaited = [text for text in texts if answers.is_awaited("key", event(text))]
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
