"""The table of start-up steps knows every step of the Hermes that is installed.

The steps are derived from Hermes's source, which is parsed and not run: what its start-up calls,
sets, hands to a thread, an executor or ``atexit``, and starts as a task. Two lists are not derived
and say so: names that are no step, and steps that only other Hermes versions have.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest

pytest.importorskip("gateway", reason="needs hermes-agent")

from hermes_router.protocol.system.versions import hermes_version
from hermes_router_worker.startup import startup_table

NO_STEPS = frozenset(
    {
        # reading and building values
        *dir(builtins),
        *dir(str),
        *dir(dict),
        *dir(list),
        *dir(set),
        *("Path", "home", "exists", "resolve", "compile", "dumps", "safe_load", "expanduser"),
        *("getenv", "getpid", "cfg_get", "_expand_env_vars", "_is_ssh_remote_tilde_cwd", "isatty"),
        *("get_hermes_home", "load_config", "_load_full_config", "_load_cli_config"),
        *("_load_gateway_config", "read_raw_config"),
        *("escape", "realpath", "dirname", "exc_info", "is_alive", "fn", "is_linux"),
        *("get_process_hermes_home", "_get_process_hermes_home", "read_yaml_layers", "_raw_cfg"),
        *("_load_bridge_config", "_status_template_to_regex", "load_gateway_config_for_runner"),
        *("read_user_config_raw", "_float_env", "_read_raw_early", "makedirs"),
        # time, locks and the loop, without saying what runs
        *("time", "monotonic", "sleep", "Event", "Lock", "Thread", "ref", "OrderedDict", "done"),
        *("current_thread", "main_thread", "get_running_loop", "run_in_executor", "create_task"),
        *("to_thread", "ensure_future", "wait", "gather", "exception", "result", "cancel"),
        *("cancelled", "suppress", "_best_effort", "_track_task_in", "SupervisedTickerThread"),
        *("add_done_callback", "_spawn_supervised", "SystemExit", "_pid_exists"),
        # logging and tracing
        *("debug", "info", "warning", "error", "getLogger", "StreamHandler", "_safe_stderr"),
        *("_log_suppressed", "_gateway_stderr_formatter", "format_notice"),
        *("setLevel", "setFormatter", "RedactingFormatter", "format_exc"),
        # questions that only choose between steps
        *("_is_tui_chat_launch", "_command_has_dedicated_mcp_startup"),
        *("_multiplex_on", "_argv_is_gateway_run", "_agent_subcommand_selected", "_stdin_is_tty"),
        *("_windows_console_window_attached", "_windows_gateway_breakaway_state"),
        *("_startup_warmup_timeout_secs", "_startup_should_abort", "_serving_state"),
        *("_adapter_may_heal", "is_global_startup_conflict", "get_mcp_server_filter"),
        *("_platform_binds_port", "_adapter_unavailable_message", "_first_positional_argv"),
        *("_should_background_mcp_startup", "_scale_to_zero_idle_timeout_seconds"),
        # parsing the command line
        *("_exec_in_container", "_coalesce_session_name_args", "_plugin_cli_discovery_needed"),
        *("_run_and_exit_oneshot", "_add_portal_parser", "_add_session_filter_args"),
        *("_resolve_deferred_platform_cli_command", "_primary_message_handler"),
        *("_multiplex_profile_homes", "_primary_platform_event_handler"),
        *("_build_kanban_parser", "_build_project_parser", "_bundles_register", "_lsp_register"),
        *("_register_checkpoints_cli", "_register_curator_cli", "_register_journey_cli"),
        *("_build_cli_parser", "_parse_cli_args", "_run_oneshot_from_args", "_default_to_chat"),
        *("_register_pets_cli", "_add_accept_hooks_flag"),
    }
)
"""Last parts of names that are no start-up step wherever they occur."""

NO_STEPS_BY_NAME = frozenset(
    {
        "runner.wait_for_shutdown",  # of a start that was given up
        "main",  # under `if __name__ == "__main__"`
        "platform_registry.is_registered",
        # the threads' targets and the callbacks are the steps
        "_planned_stop_watcher_thread.start",
        "cron_thread.start",
        "housekeeping_thread.start",
        "asyncio.run",
        "atexit.register",
        "_atexit.register",
        "_yaml_early.load",
        "_itertools.count",
        "sys.exit",
    }
)
"""Names whose last part could well be a step elsewhere, such as ``start`` or ``register``."""

ADAPTER_FACTORIES = ("Adapter", "_requirements", "_config")
"""Endings of what ``_create_adapter`` calls to build a concrete adapter."""

OTHER_VERSIONS = frozenset(
    {
        "_load_config_early",
        "start_memory_monitoring",
        "_start_cron_ticker",
        "load_gateway_config",
        "_session_db.maybe_auto_prune_and_vacuum",
        "adapter._notifications_mode",
    }
)
"""Rows for Hermes versions that are not among these."""

TABLES = {"0.19.0": startup_table.STEPS_OF_0_19, "0.22.2": startup_table.STEPS_SINCE}
"""The rows that a Hermes has the steps of."""


FOLLOWED = ("_start_", "_init_", "_best_effort")
"""Beginnings of names of Hermes's helpers, into which later versions moved parts of the start."""

HANDED_ON = frozenset(
    {"run_in_executor", "register", "_spawn_supervised", "to_thread", "_best_effort"}
)
"""What is given to these is called."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Steps(ast.NodeVisitor):
    """Collects the steps of one body, and of the helpers that it calls.

    A helper that has a row is decided as a whole. Other nested functions run later and are left
    out. ``assignments`` is False for a constructor: there they are the object's own fields.
    """

    def __init__(
        self, helpers: Mapping[str, Function], decided: AbstractSet[str], *, assignments: bool
    ) -> None:
        self._decided = decided
        self.found: dict[str, int] = {}
        self._assignments = assignments
        self._helpers = dict(helpers)
        self._followed: set[str] = set()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._helpers[node.name] = node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._helpers[node.name] = node

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        del node

    def visit_Call(self, node: ast.Call) -> None:
        self._note(node.func)
        called = _dotted(node.func).rpartition(".")[2]
        if called.startswith(FOLLOWED):
            self._follow(called)
        if called in HANDED_ON:
            for argument in node.args:
                self._note(argument)
                if called != "register":
                    self._follow(_dotted(argument).rpartition(".")[2])
        for keyword in node.keywords:
            if keyword.arg == "target":
                self._note(keyword.value)
        self.generic_visit(node)

    def followed(self, name: str) -> bool:
        """Say whether this is a helper whose own steps are among those found."""
        return name.rpartition(".")[2] in self._followed

    def _follow(self, name: str) -> None:
        helper = self._helpers.get(name)
        if helper is not None and name not in self._followed | self._decided:
            self._followed.add(name)
            for statement in _until_running(helper.body):
                self.visit(statement)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets if self._assignments else ():
            if isinstance(target, ast.Subscript):
                self._note_item(target)
            elif isinstance(target, ast.Attribute):
                self._note(target)
        self.generic_visit(node)

    def _note_item(self, target: ast.Subscript) -> None:
        """``os.environ[...] = x`` and ``self.adapters[...] = x``; not items of local variables."""
        if isinstance(target.value, ast.Attribute):
            self._note(target.value)

    def _note(self, node: ast.expr) -> None:
        name = _dotted(node)
        if name:
            self.found.setdefault(name, node.lineno)


def _dotted(node: ast.expr) -> str:
    """``self.hooks.emit`` -> ``hooks.emit``; a call in the middle is skipped; else empty."""
    if isinstance(node, ast.Name):
        return "" if node.id == "self" else node.id
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        name = f"{owner}.{node.attr}" if owner else node.attr
        return name.replace("async_session_store.", "session_store.").replace(
            "_memory_monitor.", ""
        )
    if isinstance(node, ast.Call):
        return _dotted(node.func)
    return ""


def _root() -> Path:
    spec = importlib.util.find_spec("gateway")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations))).parent


@functools.cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _body(root: Path, where: str) -> Sequence[ast.stmt]:
    """The statements of a place of the table, such as ``gateway.run:GatewayRunner.start``."""
    module, _, path = where.partition(":")
    body = _parsed(root / f"{module.replace('.', '/')}.py").body
    for name in path.split(".") if path else ():
        body = _named(body, name) or (_of_mixins(root, name) if "." in path else [])
    return _until_running(body)


def _named(body: Sequence[ast.stmt], name: str) -> list[ast.stmt]:
    named = (node for node in body if isinstance(node, Function | ast.ClassDef))
    return next((node.body for node in named if node.name == name), [])


def _of_mixins(root: Path, name: str) -> list[ast.stmt]:
    """A method of the runner that is in one of its base classes, in a module of its own."""
    for file in sorted(root.glob("gateway/run_*.py")):
        for node in _parsed(file).body:
            if isinstance(node, ast.ClassDef) and (found := _named(node.body, name)):
                return found
    return []


@functools.cache
def _helpers(root: Path, module: str) -> dict[str, Function]:
    """The functions of the gateway's modules, or of the place's own, that a start may be in."""
    files = root.glob("gateway/run*.py") if module == "gateway/run" else [root / f"{module}.py"]
    return {
        node.name: node
        for file in files
        for node in ast.walk(_parsed(file))
        if isinstance(node, Function) and node.name.startswith(FOLLOWED)
    }


def _until_running(body: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    """Cut off what follows the first top-level statement that waits for the gateway's end."""
    for index, statement in enumerate(body):
        if isinstance(statement, ast.Expr) and "wait_for_shutdown" in ast.unparse(statement):
            return body[:index]
    return body


def _no_step(name: str, where: str) -> bool:
    last = name.rpartition(".")[2]
    if name in NO_STEPS_BY_NAME or last in NO_STEPS:
        return True
    if where == startup_table.CREATE:
        return last.endswith(ADAPTER_FACTORIES)
    if where == startup_table.MAIN_IMPORT and last.startswith(("_model_flow_", "_forward_")):
        return True  # tables of functions
    # two thousand lines of argument parsers: only the module's own helpers count
    return where == startup_table.MAIN and ("." in name or not name.startswith("_"))


def derived(root: Path, where: str) -> Iterator[tuple[str, int]]:
    """Yield each start-up step of one place, and its line. What has a row is a step."""
    rows = _rows(where)
    helpers = _helpers(root, where.partition(":")[0].replace(".", "/"))
    steps = Steps(helpers, rows, assignments=where != startup_table.INIT)
    for statement in _body(root, where):
        steps.visit(statement)
    for name, line in steps.found.items():
        if name in rows or not (_no_step(name, where) or steps.followed(name)):
            yield name, line


PLACES = sorted({step.where for step in startup_table.STEPS})


def _rows(where: str) -> set[str]:
    return {step.name for step in startup_table.STEPS if step.where == where}


def unknown(root: Path, where: str) -> list[str]:
    """The steps of one place that the table does not have, with their lines."""
    known = _rows(where)
    steps = derived(root, where)
    return [f"{where}, line {line}: {name}" for name, line in steps if name not in known]


@pytest.mark.parametrize("where", PLACES)
def test_each_start_up_step_of_the_installed_hermes_has_a_row(where: str) -> None:
    missing = unknown(_root(), where)
    assert not missing, "the table in startup_table.py lacks:\n" + "\n".join(missing)


def test_no_row_is_left_of_a_step_that_hermes_no_longer_has() -> None:
    version = (hermes_version() or "").partition(".post")[0]
    if version not in TABLES:
        pytest.skip(f"rows are those of Hermes {' and '.join(TABLES)}")
    there = {where: dict(derived(_root(), where)) for where in PLACES}
    stale = [
        f"{step.where}: {step.name}"
        for step in TABLES[version]
        if step.name not in there[step.where] and step.name not in OTHER_VERSIONS
    ]
    assert not stale, "the table in startup_table.py has rows without a step:\n" + "\n".join(stale)


@pytest.mark.parametrize("where", PLACES)
def test_each_place_of_the_table_is_found_in_the_installed_hermes(where: str) -> None:
    assert dict(derived(_root(), where)), where


def test_a_step_that_is_not_in_the_table_is_found(tmp_path: Path) -> None:
    source = """
async def start_gateway():
    sync_skills(quiet=True)
    beans.start()
    if ready:
        await loop.run_in_executor(None, count_beans)
    threading.Thread(target=_watch_beans).start()
    await runner.wait_for_shutdown()
    stop_beans()
"""
    (tmp_path / "gateway").mkdir()
    (tmp_path / "gateway" / "run.py").write_text(source, encoding="utf-8")
    found = {line.rpartition(" ")[2] for line in unknown(tmp_path, startup_table.START_GATEWAY)}
    assert {"beans.start", "count_beans", "_watch_beans"} <= found
    assert not found & {"sync_skills", "stop_beans"}


def test_each_row_is_unique_and_says_why() -> None:
    places = [(step.where, step.name) for step in startup_table.STEPS]
    assert len(places) == len(set(places))
    assert all(step.why.endswith(".") for step in startup_table.STEPS)


def test_only_steps_that_a_worker_or_its_upkeep_does_name_a_function() -> None:
    with_function = {step.ours for step in startup_table.STEPS if step.run is not None}
    assert with_function <= {startup_table.Ours.WORKER, startup_table.Ours.SCHEDULED}
