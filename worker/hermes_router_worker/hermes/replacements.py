"""The functions of Hermes that a worker's start-up, session and home replace, with their reasons.

The features apply these patches when they are needed. The short cuts of ``startup.speedups``,
sending and cron jobs still set members of Hermes themselves. A required one is a condition for
starting: without it a worker would harm what the workers of its profile share.
"""

from __future__ import annotations

from hermes_router_worker.hermes.patching import Patch

_STORE = "gateway.session:SessionStore"
_RUNNER = "gateway.run:GatewayRunner"
_ROWS = "two workers that save all sessions from memory delete each other's"

LOAD_SESSIONS = Patch(owner=_STORE, name="_ensure_loaded_locked", why=_ROWS)
SAVE_SESSIONS = Patch(owner=_STORE, name="_save", why=_ROWS)
SAVE_ENTRIES = Patch(owner=_STORE, name="_save_entries", why=_ROWS)
PERSIST_ENTRIES = Patch(owner=_STORE, name="_persist_routing_data", why=_ROWS)
SAVE_ENTRY = Patch(owner=_STORE, name="_save_entry", why=_ROWS, since="0.20.6", required=False)
PRUNE_SESSIONS = Patch(
    owner=_STORE,
    name="_prune_stale_sessions_locked",
    why="a sibling's session may look ended in the middle of its own transition",
    required=False,
)

WRITE_CHECKPOINT = Patch(
    owner="tools.process_registry:ProcessRegistry",
    name="_write_checkpoint",
    why="two workers that write all background processes forget each other's",
)
_RESULTS = "results of other sessions' background delegations would be answered in this one"
RESTORE_RESULTS = Patch(
    owner="tools.process_registry:ProcessRegistry",
    name="restore_completions",
    why=_RESULTS,
    since="0.21.3",
    required=False,
)
SWEEP_RESULTS = Patch(
    owner=_RUNNER,
    name="_sweep_orphaned_completion_ledgers",
    why=_RESULTS,
    since="0.21.3",
    required=False,
)
_LEASES = "a conversation whose sandboxed worker was killed would wait for five minutes"
JUDGE_HOLDER = Patch(
    owner="hermes_state",
    name="_compression_lock_holder_process_is_dead",
    why=_LEASES,
    since="0.22",
    required=False,
)
NAME_TURN_HOLDER = Patch(
    owner="agent.turn_facade_lease",
    name="holder_namespace_token",
    why=_LEASES,
    since="0.22",
    required=False,
)
NAME_COMPRESSION_HOLDER = Patch(
    owner="agent.conversation_compression",
    name="holder_namespace_token",
    why=_LEASES,
    since="0.22",
    required=False,
)
SAVE_VOICE_MODES = Patch(
    owner=_RUNNER, name="_save_voice_modes", why="/voice of one chat must keep the other chats'"
)
FLUSH_DEAD_TARGETS = Patch(
    owner="gateway.dead_targets:DeadTargetRegistry",
    name="_flush_locked",
    why="what a sibling learned about chats that are gone must be kept",
)
SAVE_ENV_VALUE = Patch(
    owner="hermes_cli.config", name="save_env_value", why=".env is changed without a lock"
)
CLEAR_RESTART_COUNT = Patch(
    owner=_RUNNER,
    name="_clear_restart_failure_count",
    why="the counts of failed restarts are changed without a lock",
    required=False,
)

_STATUS = "`hermes gateway status` and `stop` would take a worker for the profile's gateway"
WRITE_STATUS = Patch(owner="gateway.status", name="write_runtime_status", why=_STATUS)
PUBLISH_STATUS = Patch(
    owner="gateway.status",
    name="publish_runtime_status",
    why=f"{_STATUS}; it also starts a thread, and a template may have none",
    since="0.21.5",
    required=False,
)

_UPKEEP = "old sessions are pruned by the profile's maintenance, not while a turn waits"
PRUNE_DATABASE = Patch(
    owner="hermes_state:SessionDB",
    name="maybe_auto_prune_and_vacuum",
    why=_UPKEEP,
    required=False,
)
PRUNE_CHECKPOINTS = Patch(
    owner="tools.checkpoint_manager",
    name="maybe_auto_prune_checkpoints",
    why=_UPKEEP,
    until="0.21",
    required=False,
)

CLOSE_DEAD_RUNS = Patch(
    owner="cron.scheduler",
    name="_maybe_reap_dead_owners",
    why="maintenance tells the place of a cron job that was cut off; a run that is closed is not",
    since="0.21",
    required=False,
)

FORGET_CONVERSATION = Patch(
    owner=_RUNNER,
    name="_clear_conversation_scope",
    why="what /new clears must be gone from the next worker's memory too",
)
RESET_SESSION = Patch(
    owner=_RUNNER,
    name="_handle_reset_command",
    why="the memory provider is handed what was said; no process has kept the session's agent",
    required=False,
)
WATCH_PROCESS = Patch(
    owner=_RUNNER,
    name="_run_process_watcher",
    why="a worker stays while the end of a background process is still to be reported",
)
RUN_BACKGROUND_TASK = Patch(
    owner=_RUNNER,
    name="_run_background_task",
    why="people are told which /background prompts a worker's end would lose",
    required=False,
)
INJECT_NOTIFICATION = Patch(
    owner=_RUNNER,
    name="_inject_watch_notification",
    why="people are told which report a worker's end would lose",
    required=False,
)
DELIVER_DELEGATIONS = Patch(
    owner=_RUNNER,
    name="_deliver_async_delegation_group",
    why="a worker stays while the results of a delegated task are on their way to the session",
    required=False,
)
RUN_AGENT = Patch(
    owner=_RUNNER,
    name="_run_agent",
    why="a worker is idle only when the agent's thread has ended",
    required=False,
)
RUN_IN_EXECUTOR = Patch(
    owner=_RUNNER,
    name="_run_in_executor_with_context",
    why="a worker is idle only when the agent's thread has ended",
    required=False,
)
_OUTCOME = "what came of a turn is told as Hermes knows it, not as its text sounds"
JUDGE_TURN = Patch(owner=_RUNNER, name="_run_agent", why=_OUTCOME, required=False)
JUDGE_RUN = Patch(owner="run_agent:AIAgent", name="run_conversation", why=_OUTCOME, required=False)
INTERRUPT_SESSION = Patch(
    owner=_RUNNER,
    name="_interrupt_and_clear_session",
    why="the gateway ends a worker whose agent does not stop after /stop",
    required=False,
)
SEND_STREAM = Patch(
    owner="gateway.stream_consumer:GatewayStreamConsumer",
    name="_send_or_edit",
    why="the gateway notes when the end of a streamed answer was delivered",
    required=False,
)
CHECK_SLASH_ACCESS = Patch(
    owner=_RUNNER,
    name="_check_slash_access",
    why="the gateway's access rules hold beside the profile's",
)
_LOGIN = "where the root has a login that is not shared, people are told the setting"
PROVIDER_ERROR = Patch(
    owner="gateway.run", name="_gateway_provider_error_reply", why=_LOGIN, required=False
)
NO_CREDENTIALS = Patch(
    owner="gateway.run_turn_runner", name="t", why=_LOGIN, since="0.21.3", required=False
)
HAS_HOOK = Patch(
    owner="hermes_cli.plugins",
    name="has_hook",
    why="the moment of the first model request; hooking it would have each request copied",
    required=False,
)

DEFER_REVIEW = Patch(
    owner="run_agent",
    name="_review_should_defer",
    why="a review of memory and skills that waits for a quiet machine would end with its worker",
    since="0.22",
    required=False,
)

_QUICK = "saves time only"
COPY_CONFIG = Patch(owner="hermes_cli.config", name="copy", why=_QUICK, required=False)
CHECK_BUNDLE = Patch(
    owner="agent.ssl_guard", name="_validate_bundle_path", why=_QUICK, required=False
)
GUARD_SSL = Patch(owner="agent.ssl_guard", name="ssl", why=_QUICK, required=False)
VERIFY_SSL = Patch(owner="agent.ssl_verify", name="ssl", why=_QUICK, required=False)


def all_patches() -> list[Patch]:
    """Return every patch of the worker."""
    return [value for value in globals().values() if isinstance(value, Patch)]
