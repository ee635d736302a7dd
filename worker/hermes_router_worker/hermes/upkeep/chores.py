"""What Hermes does in a home beside its turns, each chore once: caches, archives, login, skills."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import threading
import time
from pathlib import Path

from hermes_router_worker import json_files
from hermes_router_worker.hermes.cron import cron_run

logger = logging.getLogger(__name__)

CACHED_HOURS = 24

#: Seconds after which a lock of git in the store of checkpoints belongs to nobody.
LOCKED_SECONDS = 600.0

#: For each module, Hermes's housekeeping of databases; each function checks whether it is due.
_PRUNING = (
    ("gateway.run", "_housekeeping_state_db_maintenance"),
    ("tools.checkpoint_maintenance", "auto_prune_from_config"),
)

#: For each module, the function that deletes old files of a cache; those after the second are new
#: in 0.20 to 0.22.
_CLEANERS = (
    ("gateway.platforms.base", "cleanup_image_cache"),
    ("gateway.platforms.base", "cleanup_document_cache"),
    ("gateway.platforms.base", "cleanup_audio_cache"),
    ("gateway.platforms.base", "cleanup_video_cache"),
    ("gateway.platforms.base", "cleanup_screenshot_cache"),
    ("tools.tool_result_storage", "cleanup_spillover_cache"),
    ("tools.environments.local", "cleanup_terminal_temp_cache"),
    ("tools.bot_mode_dm", "cleanup_bot_dm_cache"),
    ("tools.bot_relay", "cleanup_bot_relay_artifacts"),
)

#: Threads in which a chore goes on after its call, by the beginning of their names.
_GOING_ON = ("curator-review", "cron-bot-chat-drain", "cron-worktree-prune")


def going_on() -> bool:
    """Return True if a chore goes on in a thread; some of them may ask a model."""
    return any(thread.name.startswith(_GOING_ON) for thread in threading.enumerate())


def clean_caches() -> int:
    """Delete cached files that are older than a day, and expired pastes; return how many.

    A paste is a log that ``hermes debug`` has uploaded.
    """
    removed = 0
    for name, cleaner in _CLEANERS:
        with contextlib.suppress(ImportError, AttributeError):  # a Hermes without such a cache
            clean = getattr(importlib.import_module(name), cleaner)
            removed += clean(max_age_hours=CACHED_HOURS)
    sweep = getattr(importlib.import_module("hermes_cli.debug"), "_sweep_expired_pastes", None)
    return int(removed + (sweep()[0] if sweep is not None else 0))


def prune_as_housekeeping() -> int:
    """Have Hermes archive or delete old sessions and checkpoints, if the profile's settings say so.

    Since 0.21, Hermes does it beside its turns; before, it did it at its start. Returns 0, because
    Hermes does not tell what it found.
    """
    for module, chore in _PRUNING:
        with contextlib.suppress(ImportError, AttributeError):  # an older Hermes
            getattr(importlib.import_module(module), chore)()
    return 0


def free_checkpoints() -> int:
    """Remove locks that killed git processes left in Hermes's store of checkpoints.

    Returns how many there were. Without this, Hermes would take no checkpoint of that folder any
    more. A lock of a git that runs is younger: Hermes gives git two minutes at the most.
    """
    store = Path(os.environ["HERMES_HOME"]) / "checkpoints" / "store"
    removed = 0
    for pattern in ("*.lock", "indexes/*.lock", "refs/**/*.lock"):
        for lock in store.glob(pattern):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - lock.lstat().st_mtime > LOCKED_SECONDS:
                    lock.unlink()
                    removed += 1
    return removed


def work_beside_jobs() -> int:
    """Begin what a tick of Hermes's scheduler does beside the jobs, which go on in threads.

    Results of jobs that had to wait are delivered to Bot Chat, and old git worktrees are removed;
    as in Hermes, not while all agents are paused. Returns how many results wait.
    """
    waiting = results_for_bot_chat(Path(os.environ["HERMES_HOME"]))
    if cron_run.paused():
        return waiting
    for module, name in cron_run.BESIDE_JOBS:
        with contextlib.suppress(ImportError, AttributeError):  # a Hermes before 0.21
            getattr(importlib.import_module(module), name)()
    return waiting


def results_for_bot_chat(home: Path) -> int:
    """Return how many results of the home's jobs wait until Bot Chat can take them."""
    waiting = map(json_files.read_map, (home / "cron" / "bot_chat_pending").glob("*.json"))
    return sum(record.get("status") == "queued" for record in waiting)


def refresh_login() -> int:
    """Have Hermes renew the profile's own login at Nous if it is old enough; return 0.

    A login that is never renewed ends.
    """
    from hermes_cli.nous_auth_keepalive import refresh_nous_auth_keepalive_once

    if (Path(os.environ["HERMES_HOME"]) / "auth.json").exists():
        refresh_nous_auth_keepalive_once()
    return 0


def tend_skills() -> int:
    """Have Hermes's curator look after the skills if its interval is over; return 1 if it does.

    It may go on in a thread then; :func:`going_on` says whether it does.
    """
    from agent import curator

    def log(summary: str) -> None:
        logger.info("curator: %s", summary)

    return int(curator.maybe_run_curator(idle_for_seconds=float("inf"), on_summary=log) is not None)
