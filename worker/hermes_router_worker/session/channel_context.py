"""What belongs to the place of a conversation: overheard chatter, its prompt, its skills.

The gateway's adapter took the message in, with the gateway's configuration. The prompt and the
skills that belong to a channel are the profile's to configure; what was said there without the
bot's being addressed was written down for the profile, and becomes part of its transcript here.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from hermes_router.protocol.files.lock import try_lock
from hermes_router.protocol.files.observed import FOLDER, File, file_name, lost
from hermes_router_worker.hermes.events import build_source, cache_of

logger = logging.getLogger(__name__)

#: Ends the names of files that a worker has taken, and reads.
_TAKEN = ".taken"

#: The gateway holds a file's lock for one write; who holds it for longer reads it.
_WRITING_SECONDS = 0.2


# -- overheard ---------------------------------------------------------------------------------


def take_overheard(runner: Any, source: Any) -> None:
    """Append what was overheard in a place to the transcript, as Hermes's adapters do."""
    folder = Path(os.environ["HERMES_HOME"]).joinpath(*FOLDER)
    waiting = folder / file_name(source.platform.value, source.chat_id, source.thread_id)
    for taken in (*folder.glob(f"{waiting.stem}.*{_TAKEN}"), _taken_from(waiting)):
        try:
            with _reading(taken) as lines:
                for line in lines:
                    _append(runner.session_store, json.loads(line), folder)
        except Exception:
            logger.exception("what was overheard could not be read")


def _taken_from(waiting: Path) -> Path:
    """Return where this worker has put what waits; a name of its own, also in a sandbox."""
    taken = waiting.with_suffix(f".{uuid.uuid4().hex}{_TAKEN}")
    with contextlib.suppress(OSError):  # nothing waits, or a sibling has taken it
        waiting.rename(taken)
    return taken


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Iterable[bytes]]:
    """Give the lines of a file, which is removed then; none while a sibling reads it.

    The lock that is held tells that from what a worker left behind that was killed.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield ()
        return
    with file:
        if not _locked(file, path):
            yield ()
            return
        try:
            yield file
        finally:
            path.unlink(missing_ok=True)


def _locked(file: BinaryIO, path: Path) -> bool:
    """Say whether the file is this worker's; waits for the gateway, which may write its line."""
    return try_lock(file, _WRITING_SECONDS, pause=0.001) and path.exists()


def _append(store: Any, line: Mapping[str, Any], folder: Path) -> None:
    entry = dict(line["entry"])
    for file in line.get("files", ()):
        entry["content"] = entry["content"].replace(file["named"], _taken(file, folder))
    session = store.get_or_create_session(build_source(line["source"]))
    store.append_to_transcript(session.session_id, entry)


def _taken(file: File, folder: Path) -> str:
    """Move a file into the profile's cache; return its path there, as the agent sees it."""
    from tools import credential_files

    target = cache_of(file["kind"]) / Path(file["name"]).name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / Path(file["stored"]).name, target)  # they may be on two file systems
    except OSError as error:
        logger.warning("a file that was overheard is not there: %s", error)
        return lost()
    visible = getattr(credential_files, "to_agent_visible_cache_path", str)
    return str(visible(str(target)))


# -- prompt and skills -------------------------------------------------------------------------

#: Platforms whose adapter puts its own words on a place before the configured ones.
_OWN_WORDS_FIRST = frozenset({"slack"})


def apply_profile_settings(runner: Any, event: Any) -> None:
    """Give a message its channel's prompt and skills, as the profile configures them.

    What is there already is not from any configuration: the adapter's own words on the group.
    """
    from gateway.platforms import base

    source = event.source
    extra = getattr(runner.config.platforms.get(source.platform), "extra", None) or {}
    own, parent = _channel_ids(source)
    prompts = [base.resolve_channel_prompt(extra, own, parent), event.channel_prompt]
    if source.platform.value in _OWN_WORDS_FIRST:
        prompts.reverse()
    event.channel_prompt = "\n\n".join(filter(None, prompts)) or None
    resolve_skills = getattr(base, "resolve_channel_skills", None)
    skills = resolve_skills(extra, own, parent) if resolve_skills is not None else None
    event.auto_skill = skills or topic_skill(extra, source)


def _channel_ids(source: Any) -> tuple[str, str | None]:
    """Return the id of the channel or thread and of what it lies in, as adapters look them up."""
    chat, thread = str(source.chat_id), source.thread_id
    parent = getattr(source, "parent_chat_id", None)
    if thread is None:
        return chat, str(parent) if parent else None
    return str(thread), str(parent or chat)


def topic_skill(extra: Mapping[str, Any], source: Any) -> str | None:
    """Return the skill of a topic, by ``group_topics`` or ``dm_topics`` of the profile.

    Both are lists of chats with their topics; ``group_topics`` may also map chats to topics.
    """
    if source.thread_id is None:
        return None
    private = source.chat_type in {"dm", "direct", "private"}
    chats = extra.get("dm_topics" if private else "group_topics") or []
    if isinstance(chats, dict):
        chats = [{"chat_id": chat, "topics": topics} for chat, topics in chats.items()]
    for chat in chats:
        if isinstance(chat, dict) and str(chat.get("chat_id")) == str(source.chat_id):
            for topic in chat.get("topics") or []:
                if isinstance(topic, dict) and str(topic.get("thread_id")) == str(source.thread_id):
                    return str(topic["skill"]) if topic.get("skill") else None
    return None
