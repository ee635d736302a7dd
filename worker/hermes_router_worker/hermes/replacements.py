"""The functions of Hermes that a worker's start-up, session and home replace, with the reasons.

A patch is applied when it is needed. A worker cannot start if this Hermes lacks a required one: the
worker would harm what all workers of its profile share. For a short time, a cron job's worker also
replaces functions of ``cron``; see :mod:`.cron.cron_run`.
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

DRAIN_TRANSCRIPT = Patch(
    owner=_STORE,
    name="_drain_spooled_drops",
    why="two workers that take back the same lines of a transcript write them twice",
    since="0.20",
    required=False,
)

WRITE_CHECKPOINT = Patch(
    owner="tools.process_registry:ProcessRegistry",
    name="_write_checkpoint",
    why="two workers that write all background processes forget each other's",
)
_RESULTS = "this session would answer results of other sessions' background delegations"
RESTORE_RESULTS = Patch(
    owner="tools.process_registry:ProcessRegistry",
    name="restore_completions",
    why=_RESULTS,
    since="0.22",
    required=False,
)
SWEEP_RESULTS = Patch(
    owner=_RUNNER,
    name="_sweep_orphaned_completion_ledgers",
    why=_RESULTS,
    since="0.21.3",
    required=False,
)
_LEASES = "after its sandboxed worker was killed, a conversation would wait for five minutes"
JUDGE_HOLDER = Patch(
    owner="hermes_state",
    name="_compression_lock_holder_process_is_dead",
    why=_LEASES,
    since="0.20",
    required=False,
)
NAME_HOLDER = Patch(
    owner="hermes_state_pidns",
    name="pid_namespace_id",
    why=_LEASES,
    since="0.22",
    required=False,
)
SAVE_VOICE_MODES = Patch(
    owner=_RUNNER, name="_save_voice_modes", why="/voice of one chat must keep the other chats'"
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
    owner="cron.executions",
    name="recover_interrupted_executions",
    why="maintenance tells the place of a cut-off cron job, but not once a tick has closed its run",
    required=False,
)

FORGET_CONVERSATION = Patch(
    owner=_RUNNER,
    name="_clear_conversation_scope",
    why="the next worker must not have in memory what /new clears",
)
RESET_SESSION = Patch(
    owner=_RUNNER,
    name="_handle_reset_command",
    why="the memory provider gets the conversation, because no process keeps the session's agent",
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
    why="people get a notice of the /background prompts that end with their worker",
    required=False,
)
INJECT_NOTIFICATION = Patch(
    owner=_RUNNER,
    name="_inject_watch_notification",
    why="people get a notice of the report that ends with its worker",
    required=False,
)
DELIVER_DELEGATIONS = Patch(
    owner=_RUNNER,
    name="_deliver_async_delegation_group",
    why="a worker stays while the results of a delegated task are on their way to the session",
    since="0.20",
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
_OUTCOME = "the outcome of a turn is the one that Hermes knows, not a guess from its text"
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
_LOGIN = "if only the root has the login and it is not shared, people get the name of the setting"
PROVIDER_ERROR = Patch(
    owner="gateway.run", name="_gateway_provider_error_reply", why=_LOGIN, required=False
)
NO_CREDENTIALS = Patch(
    owner="gateway.run_turn_runner", name="t", why=_LOGIN, since="0.22", required=False
)
_REQUEST = "the gateway notes a model request before it is made; a hook would have it copied"
HAS_HOOK = Patch(
    owner="hermes_cli.lifecycle",
    formerly="hermes_cli.plugins",
    name="has_hook",
    why=_REQUEST,
    required=False,
)
RUN_CODEX = Patch(
    owner="run_agent:AIAgent", name="_run_codex_app_server_turn", why=_REQUEST, required=False
)

DEFER_REVIEW = Patch(
    owner="run_agent",
    name="_review_should_defer",
    why="a review of memory and skills that waits for a quiet machine would end with its worker",
    since="0.21.5",
    required=False,
)

COPY_CONFIG = Patch(owner="hermes_cli.config", name="copy", why="saves time only", required=False)
_STREAMS = "gateway.stream_consumer"
_ENDS = "a finished answer would wait up to 50 ms more for the next look at its stream"
PAUSE_STREAM = Patch(owner=_STREAMS, name="asyncio", why=_ENDS, required=False)
FINISH_STREAM = Patch(
    owner=f"{_STREAMS}:GatewayStreamConsumer", name="finish", why=_ENDS, required=False
)


_SEND = "tools.send_message_tool"
_TARGETS = "a target without a place means the conversation that the work comes from"
SEND_TO_PLATFORM = Patch(
    owner=_SEND, name="_send_to_platform", why="the gateway's adapter sends; a worker has no token"
)
SEND_MESSAGE = Patch(
    owner=_SEND, name="send_message_tool", why=f"{_TARGETS}; the gateway's adapter reacts"
)
RESOLVE_TARGET = Patch(
    owner=_SEND, name="resolve_send_target", why=_TARGETS, since="0.20", required=False
)
PARSE_TARGET = Patch(
    owner=_SEND, name="_parse_target_ref", why=_TARGETS, until="0.20", required=False
)
LOAD_PLATFORMS = Patch(
    owner="gateway.config",
    name="load_gateway_config",
    why="senders find the gateway's platforms connected, without a token",
)
SHELL_FILES = Patch(
    owner="tools.environments.local",
    name="_resolve_shell_init_files",
    why="a login shell finds the command that sends by the worker",
)
CHECK_INSTALLATION = Patch(
    owner="hermes_cli.venv_sync",
    name="check_runtime",
    why="a sandbox shows a part of the installation, which Hermes takes for a damaged one",
    since="0.22",
    required=False,
)
_OWED = "Hermes must see whether the process of a pending reply lives, also in another sandbox"
OWNER_STAMP = Patch(owner="gateway.delivery_ledger", name="_owner_stamp", why=_OWED)
OWNER_ALIVE = Patch(owner="gateway.delivery_ledger", name="_owner_alive", why=_OWED)

_HOMES = "what Hermes protects below the user's home is protected in every user's and profile's"
_SAFETY = "agent.file_safety"
_BASE = "gateway.platforms.base"
GUARD_HOMES = Patch(owner=_SAFETY, name="_guard_homes", why=_HOMES, since="0.21", required=False)
WRITE_DENIAL = Patch(owner=_SAFETY, name="_classify_write_denial", why=_HOMES)
READ_BLOCK = Patch(owner=_SAFETY, name="get_read_block_error", why=_HOMES)
CHECK_SENSITIVE_PATH = Patch(
    owner="tools.file_tools_write_guards",
    formerly="tools.file_tools",
    name="_check_sensitive_path",
    why=_HOMES,
    required=False,
)
ALLOW_REFERENCE = Patch(
    owner="agent.context_references", name="_ensure_reference_path_allowed", why=_HOMES
)
MEDIA_UNDER_DENIED = Patch(
    owner=_BASE,
    name="_path_under_denied_prefix",
    why=f"a profile may attach its own files, wherever the Hermes root lies; {_HOMES}",
)
MEDIA_VALID = Patch(
    owner=_BASE,
    name="validate_media_delivery_path",
    why="no file of another profile is attached",
)
_DROPPED = "people get a notice of files that were not attached, with the reason"
MEDIA_FILTER = Patch(
    owner=f"{_BASE}:BasePlatformAdapter", name="filter_media_delivery_paths", why=_DROPPED
)
FILE_FILTER = Patch(
    owner=f"{_BASE}:BasePlatformAdapter", name="filter_local_delivery_paths", why=_DROPPED
)
DELIVER_RESULT = Patch(owner="cron.scheduler", name="_deliver_result", why=_DROPPED)
FOLD_HOMES = Patch(
    owner="tools.approval_detection",
    formerly="tools.approval",
    name="_fold_home_prefixes",
    why=_HOMES,
)


def all_patches() -> list[Patch]:
    """Return every patch of the worker."""
    return [value for value in globals().values() if isinstance(value, Patch)]
