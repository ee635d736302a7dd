"""The table of start-up steps knows every step of the Hermes that is installed.

The steps are derived from Hermes's source, which is parsed and not run: what its start-up calls,
sets, hands to a thread, an executor or ``atexit``, and starts as a task. Two lists are not derived
and say so: names that are no step, and steps that only other Hermes versions have.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("gateway", reason="needs hermes-agent")

from hermes_router.protocol.versions import hermes_version
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
        # time, locks and the loop, without saying what runs
        *("time", "monotonic", "sleep", "Event", "Lock", "Thread", "ref", "OrderedDict", "done"),
        *("current_thread", "main_thread", "get_running_loop", "run_in_executor", "create_task"),
        *("add_done_callback", "_spawn_supervised", "SystemExit", "_pid_exists"),
        # logging and tracing
        *("debug", "info", "warning", "error", "getLogger", "StreamHandler", "_safe_stderr"),
        *("setLevel", "setFormatter", "RedactingFormatter", "format_exc"),
        # questions that only choose between steps
        *("_is_tui_chat_launch", "_command_has_dedicated_mcp_startup"),
        *("_should_background_mcp_startup", "_scale_to_zero_idle_timeout_seconds"),
        # parsing the command line
        *("_exec_in_container", "_coalesce_session_name_args", "_plugin_cli_discovery_needed"),
        *("_run_and_exit_oneshot", "_add_portal_parser", "_add_session_filter_args"),
        *("_build_kanban_parser", "_build_project_parser", "_bundles_register", "_lsp_register"),
        *("_register_checkpoints_cli", "_register_curator_cli", "_register_journey_cli"),
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
"""Rows for Hermes versions older than the newest one that is tested."""

NEWEST_TESTED = "0.19.0"


class Steps(ast.NodeVisitor):
    """Collects the steps of one body; nested functions run later and are left out.

    ``assignments`` is False for a constructor: there they are the object's own fields.
    """

    def __init__(self, *, assignments: bool) -> None:
        self.found: dict[str, int] = {}
        self._assignments = assignments

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        del node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        del node

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        del node

    def visit_Call(self, node: ast.Call) -> None:
        self._note(node.func)
        called = _dotted(node.func).rpartition(".")[2]
        if called in {"run_in_executor", "register", "_spawn_supervised"}:
            for argument in node.args:
                self._note(argument)
        for keyword in node.keywords:
            if keyword.arg == "target":
                self._note(keyword.value)
        self.generic_visit(node)

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


def _body(root: Path, where: str) -> Sequence[ast.stmt]:
    """The statements of a place of the table, such as ``gateway.run:GatewayRunner.start``."""
    module, _, path = where.partition(":")
    body = ast.parse((root / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")).body
    for name in path.split(".") if path else ():
        body = next(
            (
                node.body
                for node in body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                and node.name == name
            ),
            [],
        )
    return _until_running(body)


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
    # two thousand lines of argument parsers: only the module's own helpers count
    return where == startup_table.MAIN and ("." in name or not name.startswith("_"))


def derived(root: Path, where: str) -> Iterator[tuple[str, int]]:
    """Yield each start-up step of one place, and its line. What has a row is a step."""
    rows = _rows(where)
    steps = Steps(assignments=where != startup_table.INIT)
    for statement in _body(root, where):
        steps.visit(statement)
    for name, line in steps.found.items():
        if name in rows or not _no_step(name, where):
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
    if hermes_version() != NEWEST_TESTED:
        pytest.skip(f"rows are those of Hermes {NEWEST_TESTED}")
    stale = [
        f"{where}: {name}"
        for where in PLACES
        for name in sorted(_rows(where) - dict(derived(_root(), where)).keys() - OTHER_VERSIONS)
    ]
    assert not stale, "the table in startup_table.py has rows without a step:\n" + "\n".join(stale)


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
