"""The results of background delegations: a worker takes only those of its own session."""

from __future__ import annotations

from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.session import background


def guard_delegations() -> None:
    """Remove the results of delegated tasks that importing Hermes put into the queue.

    Since 0.19, the import takes every undelivered result of the home, of all sessions. A worker
    would then answer in conversations that are not its own. The results stay in the database, and
    :func:`restore_delegations` gets those of its session.
    """
    for event in background.take_results():
        if not event.get("restored"):
            background.put_result(event)
    replacements.RESTORE_RESULTS.replace(lambda _: _restore_none)


def _restore_none(*_args: object) -> int:
    return 0


def sweep_own(runner: Any, session_key: str) -> None:
    """Have Hermes take over a dead worker's results of delegated tasks only for this session.

    Since 0.21.3, a running gateway takes such results over every minute. A worker would take those
    of other sessions too. It must not answer there, and no other process could deliver them then.
    """
    replacements.SWEEP_RESULTS.replace(lambda _: lambda: _swept(session_key), on=runner)


def _swept(session_key: str) -> int:
    return _keep_own(background.orphaned_results(), session_key)


def restore_delegations(session_key: str) -> int:
    """Have Hermes report this session's results of delegated tasks that nobody has got yet.

    They are put into the queue from which Hermes reports; those of tasks that this process began
    are in it already. Returns how many there were. Hermes checks the whole database for this, so
    no message should wait for it; it may be called in a thread.
    """
    known = background.own_delegations()
    found = background.undelivered_results()
    left = [result for result in found if str(result.get("delegation_id")) not in known]
    return _keep_own(left, session_key)


def _keep_own(results: list[dict[str, Any]], session_key: str) -> int:
    """Put this session's results into the queue, return how many; others stay in the database."""
    mine = [result for result in results if result.get("session_key") == session_key]
    for result in mine:
        background.put_result(result)
    return len(mine)
