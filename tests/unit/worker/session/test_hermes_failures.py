"""What is taken for Hermes's own failure, and what for its cause."""

from __future__ import annotations

import asyncio
import logging
import sys
from types import ModuleType
from typing import Any

import pytest

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.session import failures
from hermes_router_worker.session.logged_errors import last_logged_error
from hermes_router_worker.session.model_runs import ModelRuns
from hermes_router_worker.session.turn_mark import mark_next_text, marked

HISTORY, FAILED = (
    "gateway.errors.history_unavailable",
    "gateway.errors.generic_failed_with_hint",
)
logger = logging.getLogger("test")


class Patch:
    """A function of Hermes that this Hermes lacks."""

    def replace(self, _wrapper: Any, **_options: Any) -> bool:
        return False


@pytest.fixture(autouse=True)
def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JUDGE_TURN", "JUDGE_RUN"):
        monkeypatch.setattr(replacements, name, Patch())


def speak(monkeypatch: pytest.MonkeyPatch, catalog: dict[str, str]) -> None:
    """Have Hermes's catalog contain these sentences; as in Hermes, an unknown key stays a key."""

    def say(key: str, **words: str) -> str:
        return catalog.get(key, key).format(**words)

    hermes = ModuleType("agent.i18n")
    hermes.t = say  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "agent.i18n", hermes)


@pytest.mark.parametrize(
    ("sentence", "answer", "is_one"),
    [
        ("It broke. {hint}Try again.", "It broke. Wait an hour. Try again.\n\nA notice.", True),
        ("It broke. {hint}Try again.", "It broke. Try again.", True),
        ("It broke. {hint}", "\nIt broke.", True),
        ("It broke.", "It broke.\n\nA notice.", True),
        ("It broke. {hint}Try again.", "It broke. Then I mended it.", False),
        ("It broke. {hint}Try again.", "They said: It broke. Try again.", False),
        ("{hint}", "Whatever.", False),
        ("", "Whatever.", False),
    ],
)
def test_a_sentence_is_known_whatever_its_hint(
    monkeypatch: pytest.MonkeyPatch, sentence: str, answer: str, is_one: bool
) -> None:
    speak(monkeypatch, {FAILED: sentence})
    found = failures.failure_in(answer)
    assert found == ("an error outside the agent's run" if is_one else None)


def test_the_key_is_the_sentence_of_a_hermes_without_catalogs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    speak(monkeypatch, {})
    assert failures.failure_in(HISTORY) == "the session's history could not be read"
    assert failures.failure_in("The history is long.") is None


@pytest.mark.parametrize("module", [None, ModuleType("agent.i18n")])
def test_nothing_is_known_of_a_hermes_without_a_catalog(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType | None
) -> None:
    monkeypatch.setitem(sys.modules, "agent.i18n", module)
    assert failures.failure_in(HISTORY) is None


# -- the cause -----------------------------------------------------------------------------------


def log(words: str, level: int = logging.ERROR) -> None:
    logger.log(level, "an error", exc_info=ValueError(words))


async def test_the_last_error_of_the_block_is_the_cause() -> None:
    hold = asyncio.Event()

    async def of_another_context() -> None:
        await hold.wait()
        log("of another message")

    other = asyncio.create_task(of_another_context())
    with last_logged_error() as logged:
        assert logged == []
        logger.error("no exception")
        assert logged == []
        log("first")
        await asyncio.to_thread(log, "second")
        log("a mere warning", logging.WARNING)
        hold.set()
        await other
    log("after the block")
    assert logged == ["ValueError: second"]


# -- what is told --------------------------------------------------------------------------------


@pytest.fixture
def told() -> list[msg.RunResult]:
    return []


@pytest.fixture
def runs(told: list[msg.RunResult]) -> ModelRuns:
    return ModelRuns(object(), told.append)


def raising(error: BaseException) -> Any:
    async def handle(_event: Any) -> Any:
        raise error

    return handle


def answering(answer: Any) -> Any:
    async def handle(_event: Any) -> Any:
        return answer

    return handle


@pytest.mark.parametrize("error", [RuntimeError("no\nluck"), SystemExit(3)])
async def test_what_the_handler_raises_is_told_and_raised(
    runs: ModelRuns, told: list[msg.RunResult], error: BaseException
) -> None:
    with pytest.raises(type(error)):
        await runs.naming_failures(raising(error), "1f0c2a9b")(None)
    [result] = told
    assert result.outcome == "hermes_failed"
    assert result.error in {"RuntimeError: no luck", "SystemExit: 3"}
    assert marked("An error. \n") == "An error. [1f0c2a9b]"
    assert marked("The next text.") == "The next text."


async def test_a_turn_that_is_cancelled_has_not_failed(
    runs: ModelRuns, told: list[msg.RunResult]
) -> None:
    with pytest.raises(asyncio.CancelledError):
        await runs.naming_failures(raising(asyncio.CancelledError()), "1f0c2a9b")(None)
    assert told == []
    assert marked("Bye.") == "Bye."


async def test_an_error_that_hermes_did_not_tell_does_not_mark_the_next_answer(
    runs: ModelRuns, told: list[msg.RunResult]
) -> None:
    mark_next_text("1f0c2a9b")
    assert await runs.naming_failures(answering("Fine."), "7d31e0c4")(None) == "Fine."
    assert marked("Fine.") == "Fine."
    assert told == []


@pytest.mark.parametrize("answer", [None, "", "  ", 7])
async def test_an_answer_without_words_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, runs: ModelRuns, told: list[msg.RunResult], answer: Any
) -> None:
    speak(monkeypatch, {})
    assert await runs.naming_failures(answering(answer), "1f0c2a9b")(None) == answer
    assert told == []
