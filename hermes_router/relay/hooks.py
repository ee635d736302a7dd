"""The table of Hermes's plugin hooks: in which process each fires for a routed conversation.

Workers load the plugins of their profile; the gateway loads the plugins of its own home. Each hook
fires once in the named process. Plugins of a routed profile never run in the gateway's process. A
test fails if the installed Hermes has a hook that is not in the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Fires(Enum):
    """The process in which a hook fires for an event of a routed conversation."""

    WORKER = "in the profile's worker, for the profile's plugins"
    GATEWAY = "in the gateway, for the plugins of its own home"
    EACH = "in the gateway for its home's plugins, and in the worker for the profile's"
    NOWHERE = "in neither: its event does not happen there"


class Hook(NamedTuple):
    """One plugin hook of Hermes: the process in which its functions are called, and the reason."""

    fires: Fires
    why: str


WORKER, GATEWAY, EACH, NOWHERE = Fires
_AGENT = Hook(WORKER, "The agent runs there.")
_SESSION = Hook(WORKER, "The session is the profile's.")
_DISPATCH = Hook(GATEWAY, "The gateway hands out the cards of the one board.")

HOOKS: Mapping[str, Hook] = {
    # a message and what it asks for
    "pre_gateway_dispatch": Hook(
        EACH, "The gateway's plugins may stop or rewrite what it passes on; then the profile's."
    ),
    "post_gateway_admission": Hook(WORKER, "Hermes asks the plugins of the profile that answers."),
    "pre_command": Hook(
        WORKER,
        "Commands act in the worker. Those of the gateway fire it for its plugins.",
    ),
    "agent_loop_stopped": _SESSION,
    "gateway_platform_event": Hook(
        GATEWAY,
        "Edited messages and reactions reach the adapter; they start no worker.",
    ),
    "pre_transcription": Hook(WORKER, "The profile's own speech recognition writes it down."),
    # the agent
    "pre_tool_call": _AGENT,
    "post_tool_call": _AGENT,
    "transform_terminal_output": _AGENT,
    "transform_tool_result": _AGENT,
    "transform_llm_output": _AGENT,
    "pre_llm_call": _AGENT,
    "post_llm_call": _AGENT,
    "pre_verify": _AGENT,
    "pre_api_request": _AGENT,
    "post_api_request": _AGENT,
    "api_request_error": _AGENT,
    "transform_api_error_classification": _AGENT,
    "pre_auxiliary_call": _AGENT,
    "post_auxiliary_call": _AGENT,
    "subagent_start": _AGENT,
    "subagent_stop": _AGENT,
    "on_stream_start": _AGENT,
    "on_stream_delta": _AGENT,
    "on_stream_end": _AGENT,
    "on_interim_message": _AGENT,
    # the session and the profile
    "on_session_start": _SESSION,
    "on_session_end": _SESSION,
    "on_session_finalize": _SESSION,
    "on_session_reset": _SESSION,
    "on_skill_lifecycle": Hook(WORKER, "Skills are the profile's."),
    # people's answers
    "pre_approval_request": Hook(WORKER, "Who asks for it is the worker."),
    "post_approval_response": Hook(WORKER, "Who waits for it is the worker."),
    "on_human_input_request": Hook(WORKER, "Who asks for it is the worker."),
    "on_human_input_resolved": Hook(WORKER, "Who waits for it is the worker."),
    # the board
    "kanban_task_claimed": _DISPATCH,
    "kanban_task_completed": Hook(WORKER, "It fires where the card is changed."),
    "kanban_task_blocked": Hook(WORKER, "It fires where the card is changed."),
    "on_kanban_task_updated": Hook(WORKER, "It fires where the card is changed."),
    "on_kanban_worker_spawned": _DISPATCH,
    "on_kanban_worker_exited": _DISPATCH,
    "on_kanban_worker_stale_claim": _DISPATCH,
    "on_kanban_dispatch_tick": _DISPATCH,
    # rooms
    "on_room_member_activity": Hook(NOWHERE, "Hosted rooms are no conversations of a platform."),
}
