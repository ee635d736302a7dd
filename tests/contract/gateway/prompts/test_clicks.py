"""Prompts of ours among those that the installed Hermes knows: its own functions answer them."""

from __future__ import annotations

import pytest
from tools import approval, clarify_gateway, slash_confirm

from hermes_router.hermes.compat import clicks

KEY = "agent:main:x:hr000000000001"


@pytest.fixture
def heard() -> list[str]:
    return []


def test_everything_that_a_click_needs_is_there() -> None:
    assert clicks.answerable() == set(clicks.NEEDS)


def test_an_approval_is_answered_once(heard: list[str]) -> None:
    clicks.open_approval(KEY, heard.append)
    assert approval.has_blocking_approval(KEY)
    assert approval.resolve_gateway_approval(KEY, "session") == 1
    assert approval.resolve_gateway_approval(KEY, "once") == 0
    assert not approval.has_blocking_approval(KEY)
    assert heard == ["session"]


def test_an_approval_that_is_closed_is_answered_by_nobody(heard: list[str]) -> None:
    clicks.open_approval(KEY, heard.append)
    clicks.close_approval(KEY)
    assert not approval.has_blocking_approval(KEY)
    assert approval.resolve_gateway_approval(KEY, "once") == 0
    assert heard == []


def test_an_approval_that_hermes_takes_back_is_not_given(heard: list[str]) -> None:
    clicks.open_approval(KEY, heard.append)
    approval.clear_session(KEY)
    assert not approval.has_blocking_approval(KEY)
    assert set(heard) <= {"deny"}  # 0.19 says so, later ones say nothing


def test_a_question_gets_the_choice_and_no_second_one(heard: list[str]) -> None:
    clicks.open_question("q1", KEY, "Which?", ["red", "blue"], heard.append)
    assert clarify_gateway.resolve_gateway_clarify("q1", "blue")
    clarify_gateway.resolve_gateway_clarify("q1", "red")
    clicks.close_question(KEY)
    assert not clarify_gateway.resolve_gateway_clarify("q1", "red")
    assert heard == ["blue"]


async def test_a_confirmation_shows_what_it_is_answered_with(heard: list[str]) -> None:
    async def confirmed(choice: str) -> str:
        heard.append(choice)
        return f"did it {choice}"

    clicks.open_confirmation(KEY, "c1", confirmed)
    assert await slash_confirm.resolve(KEY, "another", "once") is None
    assert await slash_confirm.resolve(KEY, "c1", "once") == "did it once"
    assert await slash_confirm.resolve(KEY, "c1", "once") is None
    clicks.open_confirmation(KEY, "c2", confirmed)
    clicks.close_confirmation(KEY)
    assert await slash_confirm.resolve(KEY, "c2", "always") is None
    assert heard == ["once"]
