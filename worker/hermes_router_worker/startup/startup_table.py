"""What Hermes does when a gateway starts, and where under the router that happens, and why.

:data:`STEPS` has every start-up step of Hermes. A test derives the steps from the installed Hermes
and fails on one that is not here. Nothing reads the table when a worker runs.

The module is longer than its neighbours because the table is: it stays in one piece on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from hermes_router_worker.send import directory
from hermes_router_worker.startup.session_wiring import (
    adopt_session,
    mark_running,
    share_session_key_settings,
    start_async_delegation_watcher,
    tolerate_network_errors,
    wire_adapter,
)
from hermes_router_worker.startup.steps import (
    catch_up_upkeep,
    discover_mcp,
    discover_plugins,
    load_event_hooks,
    record_code_version,
    register_shell_hooks,
    set_up_logging,
    sync_skills,
    warn_on_stderr,
)


class Ours(Enum):
    """Where a start-up step of Hermes happens under the router."""

    WORKER = "in each worker, before its turn"
    GATEWAY = "in the real gateway process, which has done it"
    SCHEDULED = "in a short-lived upkeep worker of the profile, on a schedule"
    NEVER = "nowhere"


class Step(NamedTuple):
    """One start-up step: the identifier that Hermes calls, sets or starts, and what we do.

    ``name`` is written without ``self.``. ``run`` is our function where there is one; a WORKER step
    without it comes with importing a Hermes module or constructing the runner.
    """

    name: str
    where: str
    ours: Ours
    why: str
    run: Callable[..., Any] | None = None


WORKER, GATEWAY, SCHEDULED, NEVER = Ours
MAIN_IMPORT = "hermes_cli.main"
MAIN = "hermes_cli.main:main"
COMMAND = "hermes_cli.main:cmd_gateway"
AGENT_STARTUP = "hermes_cli.main:_prepare_agent_startup"
RUN_GATEWAY = "hermes_cli.gateway:run_gateway"
RUN_IMPORT = "gateway.run"
START_GATEWAY = "gateway.run:start_gateway"
INIT = "gateway.run:GatewayRunner.__init__"
CREATE = "gateway.run:GatewayRunner._create_adapter"
START = "gateway.run:GatewayRunner.start"

# fmt: off
STEPS: tuple[Step, ...] = (
    # hermes_cli.main, at import: what `hermes -p <profile>` does before anything else
    Step("_suppress_mouse_residue_early", MAIN_IMPORT, NEVER, "A worker has no terminal."),
    Step("_try_termux_ultrafast_version", MAIN_IMPORT, NEVER, "Only answers --version on Termux."),
    Step("_apply_profile_override", MAIN_IMPORT, WORKER,
         "Sets HERMES_HOME from -p; the bootstrap imports the module with that argument."),
    Step("load_hermes_dotenv", MAIN_IMPORT, WORKER,
         "The profile's .env and secret helpers; done by importing the module."),
    Step("_load_config_early", MAIN_IMPORT, WORKER, "Reads network.force_ipv4 in old versions."),
    Step("os.environ", MAIN_IMPORT, WORKER, "Redaction is decided before logging is imported."),
    Step("managed_scope.apply_managed_overlay", MAIN_IMPORT, WORKER,
         "An administrator's values win in a worker too."),
    Step("_setup_logging", MAIN_IMPORT, WORKER, "agent.log and errors.log; starts a thread."),
    Step("_apply_ipv4", MAIN_IMPORT, WORKER, "The profile's network setting."),
    # the command line itself, which a worker does not call
    Step("_set_process_title", MAIN, NEVER, "A worker names itself, so that ps tells them apart."),
    Step("configure_windows_stdio", MAIN, NEVER, "Windows only; descriptor 1 is the protocol's."),
    Step("_cleanup_quarantined_exes", MAIN, NEVER, "Windows only."),
    Step("_recover_from_interrupted_install", MAIN, GATEWAY,
         "One installation serves everybody, and the gateway is running from it."),
    Step("_try_termux_fast_tui_launch", MAIN, NEVER, "A worker has no terminal."),
    Step("_try_termux_fast_cli_launch", MAIN, NEVER, "A worker has no terminal."),
    Step("_prepare_agent_startup", MAIN, WORKER, "See its own steps below."),
    Step("_sync_bundled_skills_quietly", COMMAND, WORKER,
         "The same as sync_skills below, which Hermes does twice.", sync_skills),
    Step("gateway_command", COMMAND, NEVER, "Leads to run_gateway."),
    Step("_apply_safe_mode", AGENT_STARTUP, NEVER, "A command-line flag that a worker lacks."),
    Step("os.environ", AGENT_STARTUP, NEVER, "A command-line flag, --yolo, that a worker lacks."),
    Step("discover_plugins", AGENT_STARTUP, WORKER, "Plugins add tools and hooks.",
         discover_plugins),
    Step("start_background_mcp_discovery", AGENT_STARTUP, NEVER, "Not done for a gateway either."),
    Step("discover_mcp_tools", AGENT_STARTUP, NEVER, "Not done for a gateway here but later."),
    Step("register_from_config", AGENT_STARTUP, WORKER, "A deny hook must deny.",
         register_shell_hooks),
    # then run_gateway of hermes_cli.gateway
    Step("_guard_official_docker_root_gateway", RUN_GATEWAY, GATEWAY, "About being a gateway."),
    Step("_guard_named_profile_under_multiplexer", RUN_GATEWAY, NEVER,
         "A worker beside the gateway that serves its profile is the purpose."),
    Step("_guard_supervised_gateway_conflict", RUN_GATEWAY, NEVER, "A worker is no gateway."),
    Step("_guard_existing_gateway_process_conflict", RUN_GATEWAY, NEVER,
         "The profile's own gateway may run beside its workers."),
    Step("_windows_gateway_should_absorb_console_controls", RUN_GATEWAY, NEVER, "Windows only."),
    Step("signal.signal", RUN_GATEWAY, NEVER, "Windows only; a worker has its own signals."),
    Step("kernel32.SetConsoleCtrlHandler", RUN_GATEWAY, NEVER, "Windows only."),
    Step("supports_systemd_services", RUN_GATEWAY, GATEWAY, "The service is the gateway's."),
    Step("refresh_systemd_unit_if_needed", RUN_GATEWAY, GATEWAY, "The service is the gateway's."),
    Step("_exit_diag", RUN_GATEWAY, NEVER, "The router writes the worker's beginning and end."),
    Step("_atexit_hook", RUN_GATEWAY, NEVER, "The same diagnosis, at the end."),
    Step("record_start_and_check_storm", RUN_GATEWAY, NEVER,
         "It counts gateway starts and sleeps; turns would look like a storm."),
    Step("start_gateway", RUN_GATEWAY, NEVER, "See its own steps below."),
    # the import of gateway.run
    Step("_ensure_ssl_certs", RUN_IMPORT, WORKER, "Finds the certificates."),
    Step("load_hermes_dotenv", RUN_IMPORT, WORKER, "The .env again, over what is there."),
    Step("managed_scope.apply_managed_overlay", RUN_IMPORT, WORKER, "As above."),
    Step("get_plugin_auxiliary_tasks", RUN_IMPORT, WORKER, "May load plugins while importing."),
    Step("os.environ", RUN_IMPORT, WORKER,
         "config.yaml becomes TERMINAL_*, HERMES_*, AUXILIARY_* variables; gateway flags are set."),
    Step("apply_ipv4_preference", RUN_IMPORT, WORKER, "The profile's network setting."),
    Step("print_config_warnings", RUN_IMPORT, WORKER, "Lands in the worker's log."),
    Step("warn_deprecated_cwd_env_vars", RUN_IMPORT, WORKER, "Lands in the worker's log."),
    Step("resolve_placeholder_terminal_cwd", RUN_IMPORT, WORKER,
         "The bootstrap sets TERMINAL_CWD before, or the fall-back would be HOME."),
    # then start_gateway of gateway.run
    Step("record_boot_fingerprint", START_GATEWAY, WORKER,
         "A warm worker can be older than the code on disk.", record_code_version),
    Step("get_running_pid", START_GATEWAY, NEVER, "Several workers per home are normal."),
    Step("get_process_start_time", START_GATEWAY, NEVER, "Part of replacing a gateway."),
    Step("write_takeover_marker", START_GATEWAY, NEVER, "Part of replacing a gateway."),
    Step("clear_takeover_marker", START_GATEWAY, NEVER, "Part of replacing a gateway."),
    Step("terminate_pid", START_GATEWAY, NEVER, "A worker must never end a gateway."),
    Step("remove_pid_file", START_GATEWAY, NEVER, "The file is the profile's gateway's."),
    Step("unlink", START_GATEWAY, NEVER, "gateway.pid of a gateway that is being replaced."),
    Step("release_all_scoped_locks", START_GATEWAY, NEVER, "Token locks are the gateways'."),
    Step("sync_skills", START_GATEWAY, WORKER, "New bundled skills reach the profile.",
         sync_skills),
    Step("setup_logging", START_GATEWAY, WORKER, "gateway.log of the profile.", set_up_logging),
    Step("log_startup_security_warnings", START_GATEWAY, GATEWAY,
         "Judges the host and its listeners, which are the gateway's."),
    Step("logging.getLogger.addHandler", START_GATEWAY, WORKER, "The worker's log is its stderr.",
         warn_on_stderr),
    Step("GatewayRunner", START_GATEWAY, WORKER, "Built headless by the bootstrap."),
    Step("loop.set_exception_handler", START_GATEWAY, WORKER,
         "A network error in a background task must not end the turn.", tolerate_network_errors),
    Step("loop.add_signal_handler", START_GATEWAY, NEVER,
         "Hermes would shut down a gateway; the worker's signals are its own."),
    Step("_run_planned_stop_watcher", START_GATEWAY, NEVER, "`hermes gateway stop` means another."),
    Step("acquire_gateway_runtime_lock", START_GATEWAY, NEVER, "It admits one process per home."),
    Step("release_gateway_runtime_lock", START_GATEWAY, NEVER, "Never taken."),
    Step("write_pid_file", START_GATEWAY, NEVER, "The profile's own gateway would be mistaken."),
    Step("start_memory_monitoring", START_GATEWAY, NEVER, "0.14 to 0.16; for a long life."),
    Step("start_nous_auth_keepalive", START_GATEWAY, SCHEDULED,
         "Upkeep refreshes the profile's own login; a turn refreshes what it uses."),
    Step("_ensure_windows_gateway_venv_imports", START_GATEWAY, NEVER, "Windows only."),
    Step("discover_mcp_tools", START_GATEWAY, WORKER, "The profile's MCP tools.", discover_mcp),
    Step("runner.start", START_GATEWAY, NEVER, "See its own steps below."),
    Step("shutdown_mcp_servers", START_GATEWAY, NEVER, "Part of a start that was given up."),
    Step("resolve_cron_scheduler", START_GATEWAY, SCHEDULED,
         "The worker of a job asks it whether a ticker fires the profile's jobs."),
    Step("cron_provider.start", START_GATEWAY, SCHEDULED,
         "The gateway looks at the job store; each job that is due gets a worker."),
    Step("_start_cron_ticker", START_GATEWAY, SCHEDULED, "The same, before 0.17."),
    Step("_start_gateway_housekeeping", START_GATEWAY, SCHEDULED,
         "Caches, pastes and curator are per home, not per turn; the worker of an upkeep does them."
         ),
    Step("start_watchdog", START_GATEWAY, GATEWAY, "systemd watches the gateway."),
    # the runner's constructor: all of it happens in a worker, except what defer_upkeep() takes out
    Step("load_gateway_config_for_runner", INIT, NEVER, "The bootstrap passes its own config."),
    Step("load_gateway_config", INIT, NEVER, "The same, before 0.18."),
    Step("set_multiplex_active", INIT, WORKER, "Off: the bootstrap's config has one profile."),
    Step("_warn_if_docker_media_delivery_is_risky", INIT, WORKER, "A log line."),
    Step("_load_prefill_messages", INIT, WORKER, "The profile's settings."),
    Step("_load_ephemeral_system_prompt", INIT, WORKER, "The profile's settings."),
    Step("_load_reasoning_config", INIT, WORKER, "The profile's settings."),
    Step("_load_service_tier", INIT, WORKER, "The profile's settings."),
    Step("_load_show_reasoning", INIT, WORKER, "The profile's settings."),
    Step("_load_busy_input_mode", INIT, WORKER, "The profile's settings."),
    Step("_load_busy_text_mode", INIT, WORKER, "The profile's settings."),
    Step("_load_restart_drain_timeout", INIT, WORKER, "The profile's settings."),
    Step("_load_provider_routing", INIT, WORKER, "The profile's settings."),
    Step("_load_fallback_model", INIT, WORKER, "The profile's settings."),
    Step("process_registry.has_active_for_session", INIT, WORKER, "Keeps busy sessions."),
    Step("SessionStore", INIT, WORKER, "Opens state.db; loads nothing until the message is there."),
    Step("AsyncSessionStore", INIT, WORKER, "A view of the same store."),
    Step("DeliveryRouter", INIT, WORKER, "Delivers through runner.adapters."),
    Step("SessionTurnLeaseRegistry", INIT, WORKER, "In memory."),
    Step("_active_profile_name", INIT, WORKER, "A name for the kanban notifier."),
    Step("ensure_installed", INIT, WORKER,
         "Finds the command scanner; if it is missing it is downloaded by a thread."),
    Step("AsyncSessionDB", INIT, WORKER, "A view of the database."),
    Step("SessionDB", INIT, WORKER, "A second connection to state.db."),
    Step("_session_db._db.maybe_auto_prune_and_vacuum", INIT, SCHEDULED,
         "Pruning and VACUUM delay a turn and lock the siblings out.", catch_up_upkeep),
    Step("_session_db.maybe_auto_prune_and_vacuum", INIT, SCHEDULED, "The same, before 0.18.",
         catch_up_upkeep),
    Step("maybe_auto_prune_checkpoints", INIT, SCHEDULED, "Deletes what a sibling may be using.",
         catch_up_upkeep),
    Step("PairingStore", INIT, WORKER, "Not asked: the gateway has authorized the sender."),
    Step("HookRegistry", INIT, WORKER, "Empty until the hooks are loaded."),
    Step("_load_voice_modes", INIT, WORKER, "/voice settings of this home's chats."),
    # the runner making an adapter
    Step("config.extra.setdefault", CREATE, WORKER, "Adapter and runner derive the same key.",
         share_session_key_settings),
    Step("platform_registry.create_adapter", CREATE, NEVER, "A worker has the pipe adapter."),
    Step("adapter.gateway_runner", CREATE, WORKER, "The base adapter asks it for routing.",
         wire_adapter),
    Step("adapter._notifications_mode", CREATE, GATEWAY, "0.13 to 0.17: the real adapter sends."),
    # and the runner's start
    Step("_gateway_loop", START, WORKER, "Threads schedule sends on it.", mark_running),
    Step("check_systemd_timing_alignment", START, GATEWAY, "About the gateway's service."),
    Step("get_active_profile_name", START, NEVER, "A log line; the worker's log has the profile."),
    Step("write_runtime_status", START, NEVER, "gateway_state.json is the profile's gateway's."),
    Step("detect_compromised", START, GATEWAY, "One installation: the gateway warns."),
    Step("gateway_log_message", START, GATEWAY, "One installation: the gateway warns."),
    Step("_abort_startup_if_shutdown_requested", START, NEVER, "A worker is ended by its parent."),
    Step("platform_registry.plugin_entries", START, GATEWAY, "Feeds the warning about allowlists."),
    Step("_own_policy_open_startup_violation", START, GATEWAY, "Intake is the gateway's."),
    Step("_request_clean_exit", START, NEVER, "Ends a gateway."),
    Step("discover_plugins", START, WORKER, "Before the shell hooks.", discover_plugins),
    Step("self_provision_relay", START, NEVER, "A worker takes in nothing from the network."),
    Step("register_relay_adapter", START, NEVER, "A worker takes in nothing from the network."),
    Step("relay_url", START, NEVER, "A log line about the above."),
    Step("send_relay_policy", START, NEVER, "A worker takes in nothing from the network."),
    Step("register_from_config", START, WORKER, "A deny hook must deny.", register_shell_hooks),
    Step("hooks.discover_and_load", START, WORKER, "Event hooks of the profile.", load_event_hooks),
    Step("process_registry.recover_from_checkpoint", START, WORKER,
         "Only this session's, and only those whose worker is gone.", adopt_session),
    Step("_clean_marker.unlink", START, NEVER, "Speaks of the profile's gateway's last stop."),
    Step("session_store.suspend_recently_active", START, NEVER,
         "Would mark the sessions of live siblings as interrupted."),
    Step("_suspend_stuck_loop_sessions", START, NEVER, "Counts restarts of a gateway."),
    Step("_startup_restore_in_progress", START, NEVER, "Held messages are held by the gateway."),
    Step("_startup_restore_queue", START, NEVER, "Held messages are held by the gateway."),
    Step("_startup_restore_tasks", START, NEVER, "Held messages are held by the gateway."),
    Step("_platform_has_bot_credential", START, NEVER, "The bot's token stays in the gateway."),
    Step("_create_adapter", START, NEVER, "A worker has the pipe adapter."),
    Step("adapter.set_message_handler", START, WORKER, "Events reach the runner.", wire_adapter),
    Step("adapter.set_fatal_error_handler", START, NEVER, "A broken pipe ends the worker."),
    Step("adapter.set_session_store", START, WORKER, "The adapter looks sessions up.",
         wire_adapter),
    Step("adapter.set_busy_session_handler", START, WORKER, "A message during the turn.",
         wire_adapter),
    Step("adapter.set_topic_recovery_fn", START, WORKER, "Same lane as the runner's.",
         wire_adapter),
    Step("adapter.set_authorization_check", START, WORKER, "Marks strangers in quoted context.",
         wire_adapter),
    Step("_make_adapter_auth_check", START, WORKER, "The check itself.", wire_adapter),
    Step("adapter._busy_text_mode", START, WORKER, "interrupt, queue or steer.", wire_adapter),
    Step("_connect_adapter_with_timeout", START, NEVER, "The pipe is connected."),
    Step("_update_platform_runtime_status", START, NEVER, "gateway_state.json, as above."),
    Step("adapters", START, WORKER, "The pipe adapter serves the platform.", wire_adapter),
    Step("_sync_voice_mode_state_to_adapter", START, WORKER, "/voice survives.", wire_adapter),
    Step("_safe_adapter_disconnect", START, NEVER, "After a failed connect."),
    Step("_failed_platforms", START, NEVER, "After a failed connect."),
    Step("_start_secondary_profile_adapters", START, NEVER, "A worker is of one profile."),
    Step("_exit_code", START, NEVER, "Ends a gateway."),
    Step("delivery_router.adapters", START, WORKER, "Deliveries find the pipe.", mark_running),
    Step("_wire_teams_pipeline_runtime", START, GATEWAY, "Belongs to a webhook listener."),
    Step("_running", START, WORKER, "Watchers run while it is set.", mark_running),
    Step("_update_runtime_status", START, NEVER, "gateway_state.json, as above."),
    Step("_loop_heartbeat_task", START, NEVER, "Its file says that a gateway lives."),
    Step("loop_heartbeat_forever", START, NEVER, "Its file says that a gateway lives."),
    Step("hooks.emit", START, NEVER, "gateway:startup happens once per gateway, not per turn."),
    Step("build_channel_directory", START, WORKER,
         "Each worker adds the conversations that the gateway tells it of.", directory.add),
    Step("_send_update_notification", START, GATEWAY, "/update acts on the gateway."),
    Step("_schedule_update_notification_watch", START, GATEWAY, "/update acts on the gateway."),
    Step("_restart_notification_pending", START, GATEWAY, "/restart acts on the gateway."),
    Step("_planned_restart_notification_pending", START, GATEWAY, "As above."),
    Step("_booted_from_restart", START, GATEWAY, "/restart acts on the gateway."),
    Step("_send_restart_notification", START, GATEWAY, "/restart acts on the gateway."),
    Step("_send_home_channel_startup_notifications", START, GATEWAY, "Only a gateway is back."),
    Step("_clear_planned_restart_notification", START, GATEWAY, "/restart acts on the gateway."),
    Step("_redeliver_pending_obligations", START, SCHEDULED,
         "Answers that a dead worker owed, in any session of the home."),
    Step("_schedule_resume_pending_sessions", START, NEVER,
         "Would start other sessions' turns; the router resumes what it interrupted."),
    Step("_finish_startup_restore", START, NEVER, "Nothing is held in a worker."),
    Step("process_registry.pending_watchers", START, WORKER, "Of adopted processes.",
         adopt_session),
    Step("_run_process_watcher", START, WORKER, "Tells the end of an adopted process.",
         adopt_session),
    Step("_session_expiry_watcher", START, SCHEDULED, "Ends sessions that nobody writes in."),
    Step("_kanban_notifier_watcher", START, GATEWAY, "It tells routed places too."),
    Step("_kanban_dispatcher_watcher", START, GATEWAY, "One dispatcher for the one board."),
    Step("_platform_reconnect_watcher", START, GATEWAY, "Platforms are the gateway's."),
    Step("_handoff_watcher", START, NEVER,
         "Hermes's command line hands over to a platform of its own profile only."),
    Step("_async_delegation_watcher", START, WORKER, "Results of background delegations.",
         start_async_delegation_watcher),
    Step("_scale_to_zero_should_arm", START, GATEWAY, "The gateway decides to sleep."),
    Step("_scale_to_zero_watcher", START, GATEWAY, "The gateway decides to sleep."),
    Step("_log_scale_to_zero_not_armed_reason", START, GATEWAY, "The gateway decides to sleep."),
    Step("_drain_control_watcher", START, GATEWAY, "The router asks the gateway before it starts."),
)
# fmt: on
