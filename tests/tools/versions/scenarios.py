"""The core scenarios: what must work on a Hermes version, and which tests show it.

Each is a part of the suite, on a real gateway. The first one is the smoke turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_BACKGROUND = "tests/gateway/turns/test_background.py::"
_BAD = "tests/gateway/failures/bad_workers/test_bad_worker.py::"
_CLOSED = "tests/gateway/routing/test_closed.py::"
_CONTINUITY = "tests/gateway/turns/test_continuity.py::"
_CRON = "tests/gateway/delivery/test_cron.py::"
_DRAIN = "tests/gateway/restart/test_drain.py::"
_FEATURES = "tests/gateway/turns/profile/test_features.py::"
_KANBAN = "tests/gateway/delivery/test_kanban.py::"
_LIGHT = "tests/gateway/turns/test_first_light.py::"
_LIVE = "tests/gateway/routing/test_routing_live.py::"
_MEDIA = "tests/gateway/turns/test_media.py::"
_PARKED = "tests/gateway/routing/test_nothing_in_process.py::"
_PROMPTS = "tests/gateway/turns/prompts/test_prompts.py::"
_RESTORE = "tests/gateway/restart/test_restore.py::"
_SANDBOX = "tests/gateway/isolation/test_sandbox.py::"
_SEND = "tests/gateway/delivery/test_send.py::"
_STATE = "tests/gateway/turns/profile/test_state.py::"
_STREAMING = "tests/gateway/turns/test_streaming.py::"
_TROUBLE = "tests/gateway/failures/bad_workers/test_trouble.py::"
_WARM = "tests/gateway/workers/test_warm.py::"

SMOKE = "a routed message, answered by its profile"

#: What is to work, in the order of the table, with the tests that show it.
SCENARIOS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        SMOKE: (
            f"{_LIGHT}test_profile_command_names_the_routed_profile",
            f"{_LIGHT}test_each_profile_asks_its_own_model_with_its_own_key",
        ),
        "unrouted places stay the default profile's": (
            f"{_LIGHT}test_unrouted_places_are_answered_by_the_default_profile",
        ),
        "concurrent turns, each in its own environment": (
            f"{_LIGHT}test_concurrent_turns_see_only_their_own_environment",
        ),
        "a session goes on in the next worker": (
            f"{_CONTINUITY}test_a_turns_request_begins_with_the_request_before",
        ),
        "`/model` and `/reasoning` hold from turn to turn": (
            f"{_STATE}test_model_holds_until_new",
            f"{_STATE}test_reasoning_holds_until_new",
        ),
        "streaming, an answer that grows": (
            f"{_STREAMING}test_an_answer_that_is_streamed_grows_in_its_topic",
        ),
        "approval by a button": (f"{_PROMPTS}test_a_dangerous_command_waits_for_its_button",),
        "approval by a typed answer": (f"{_PROMPTS}test_a_typed_answer_closes_the_button",),
        "a question (clarify), clicked and typed": (
            f"{_PROMPTS}test_a_question_is_answered_by_its_button",
            f"{_PROMPTS}test_a_question_is_answered_by_a_typed_number",
        ),
        "pickers and confirmations": (
            f"{_PROMPTS}test_a_choice_picker_is_answered_by_the_worker",
            f"{_PROMPTS}test_a_destructive_command_is_carried_out_after_its_click",
        ),
        "media in": (f"{_MEDIA}test_a_sent_document_can_be_read_by_the_routed_turn",),
        "media out": (f"{_MEDIA}test_a_workers_file_arrives_on_the_platform",),
        "`/stop`, and a second message into a running turn": (
            f"{_TROUBLE}test_stop_ends_a_running_turn_and_frees_the_lane",
            f"{_TROUBLE}test_a_second_message_reaches_the_running_turn",
        ),
        "sending to another conversation of the profile": (
            f"{_SEND}test_the_engine_sends_to_another_conversation_of_its_profile",
        ),
        "sending elsewhere is refused": (f"{_SEND}test_the_engine_sends_nowhere_else_and_says_so",),
        "`hermes send` in the agent's terminal": (
            f"{_SEND}test_hermes_send_reaches_the_conversation_that_its_process_works_for",
        ),
        "a cron job": (f"{_CRON}test_a_job_that_is_due_runs_in_a_process_of_its_profile",),
        "background work that outlives its turn": (
            f"{_BACKGROUND}test_its_end_and_what_the_model_makes_of_it_reach_its_topic",
        ),
        "kanban": (f"{_KANBAN}test_a_card_is_worked_on_as_its_profile_and_its_topic_is_told",),
        "a gateway that stops lets turns end": (
            f"{_DRAIN}test_a_shutdown_waits_for_the_turns_and_lets_people_answer_them",
        ),
        "restart with a message pending": (
            f"{_RESTORE}test_messages_that_arrive_during_the_restore_are_held_and_answered",
            f"{_STATE}test_what_was_queued_when_the_gateway_stopped_is_run_by_the_next_worker",
        ),
        "MCP tools of the profile": (f"{_FEATURES}test_a_real_mcp_server_of_the_profile_answers",),
        "prepared workers": (f"{_WARM}test_a_message_is_answered_by_a_prepared_worker",),
        "a sandboxed profile": (f"{_SANDBOX}test_a_turn_in_a_sandbox_answers",),
        "closed: the profile is not there, or broken": (
            f"{_LIGHT}test_a_route_to_a_missing_profile_is_answered_with_one_clear_line",
            f"{_TROUBLE}test_a_profile_whose_configuration_is_broken_is_served_by_nobody",
        ),
        "closed: the configuration was never valid": (
            f"{_LIVE}test_a_gateway_that_starts_with_a_broken_file_answers_nowhere_until_it_is_mended",
        ),
        "closed: a required point of Hermes is missing, or the router fails": (
            f"{_CLOSED}test_a_routed_place_never_gets_the_default_profiles_answer",
        ),
        "closed: the router is not loaded, and routed profiles are parked": (
            f"{_PARKED}test_without_the_router_a_parked_profile_is_not_served",
        ),
        "closed: the worker is of another version, or dies": (
            f"{_BAD}test_a_worker_of_another_version_is_ended_with_a_clear_line",
            f"{_TROUBLE}test_a_killed_worker_is_reported_and_leaves_nothing",
        ),
    }
)

#: Where the tests of what Hermes has and does lie, without a gateway.
CONTRACT = "tests/contract"

#: Of them, what a routed message needs on any Hermes: `--smoke` tries no more than these.
REQUIRED = tuple(
    f"{CONTRACT}/seams/test_{name}.py" for name in ("replacements", "swap", "hooks", "commands")
)
