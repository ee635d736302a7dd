"""The start-up steps that need the session: the adapter in the runner, in the running loop.

They follow the steps of :mod:`.steps`, which may have been done long before. :func:`attach` runs
them in order.
"""

from __future__ import annotations

from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.features.memory_flush import hand_over_at_reset
from hermes_router_worker.hermes.session import wiring
from hermes_router_worker.home.delegations import sweep_own
from hermes_router_worker.home.maps import refresh_voice_modes
from hermes_router_worker.home.process_records import adopt_processes
from hermes_router_worker.startup.gateway_rules import obey_gateway_rules


def adopt_session(runner: Any, session_key: str) -> int:
    """Take over the processes that an earlier worker of this session left; return their number.

    The receiver calls it with the first message, in the running loop. Other sessions' processes
    stay untouched; see :mod:`hermes_router_worker.home`.
    """
    adopted = adopt_processes(session_key)
    sweep_own(runner, session_key)
    wiring.watch_processes(runner)
    return adopted


def review_at_once() -> None:
    """Have Hermes review memory and skills right after a turn, also if the model is local.

    Otherwise Hermes would wait until the machine is quiet, and the worker would end before that.
    """
    replacements.DEFER_REVIEW.replace(lambda _defer: lambda *_args, **_kwargs: False)


def attach(runner: Any, adapter: Any) -> None:
    """Wire the pipe adapter into the runner, and do the start-up steps that need it.

    A session calls it in the running loop, before the first event. What an earlier worker of the
    session left is for :func:`adopt_session`, and after the first reply for
    :func:`hermes_router_worker.home.delegations.restore_delegations`.
    """
    wiring.wire_adapter(runner, adapter)
    refresh_voice_modes(runner)
    wiring.sync_voice_modes(runner, adapter)
    wiring.mark_running(runner)
    wiring.tolerate_network_errors()
    obey_gateway_rules(runner)
    hand_over_at_reset(runner)
    review_at_once()
    wiring.start_async_delegation_watcher(runner)
