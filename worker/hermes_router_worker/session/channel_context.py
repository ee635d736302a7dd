"""What belongs to the place of a conversation: observed messages, its prompt, its skills.

The gateway's adapter received the message, with the gateway's configuration. But the profile
configures the prompt and the skills of a channel. Messages that people wrote there without
addressing the bot were kept for the profile; here they are added to its transcript.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from hermes_router.protocol.files.lock import try_lock
from hermes_router.protocol.files.observed import FOLDER, File, file_name, lost
from hermes_router_worker.hermes.events import build_source, cache_of, seen_by_agent
from hermes_router_worker.hermes.session import platforms

logger = logging.getLogger(__name__)

#: The end of the names of files that a worker has renamed in order to read them.
_TAKEN = ".taken"

#: Seconds to wait for a file's lock. The gateway holds it for one write; a longer holder is a
#: reader.
_WRITING_SECONDS = 0.2


# -- overheard ---------------------------------------------------------------------------------


def take_overheard(runner: Any, source: Any) -> None:
    """Append the observed messages that wait for a place to its session's transcript.

    The gateway keeps such messages in a file of the profile's home; ``source`` names the place. The
    receiver calls this before each message, and the file is removed then. A message that cannot be
    read is logged and left out. If an error of the disk or of the database comes here, that is
    logged, and the next worker goes on with that message. Hermes itself catches most errors of an
    append to the database: it keeps the message, and tries again at the next append; see
    :mod:`hermes_router_worker.home.transcripts`.
    """
    folder = Path(os.environ["HERMES_HOME"]).joinpath(*FOLDER)
    waiting = folder / file_name(source.platform.value, source.chat_id, source.thread_id)
    for taken in (*folder.glob(f"{waiting.stem}.*{_TAKEN}"), _taken_from(waiting)):
        try:
            with _reading(taken) as lines:
                for line in lines:
                    _append_one(runner.session_store, line, folder)
        except Exception:
            logger.exception("observed messages could not be kept")


def _append_one(store: Any, line: bytes, folder: Path) -> None:
    try:
        _append(store, json.loads(line), folder)
    except (OSError, sqlite3.Error):
        raise
    except Exception:  # boundary: the profile's processes can write into the file
        logger.exception("an observed message could not be read")


def _taken_from(waiting: Path) -> Path:
    """Rename the waiting file for this worker; return the new name, unique also in a sandbox."""
    taken = waiting.with_suffix(f".{uuid.uuid4().hex}{_TAKEN}")
    with contextlib.suppress(OSError):  # nothing waits, or another worker has taken it
        waiting.rename(taken)
    return taken


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[Iterable[bytes]]:
    """Yield the lines of a file and remove it then; yield none while another worker reads it.

    A reader holds the file's lock. A file that a killed worker left behind has no lock. A file
    stays if the block raises an error.
    """
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        yield ()
        return
    with file:
        if not _locked(file, path):
            yield ()
            return
        yield _lines(file)
        path.unlink(missing_ok=True)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file's lines; blank out each when the next one is asked for.

    So what a killed worker had read is not read again.
    """
    begin = 0
    for line in file:
        if line.strip():
            yield line
            os.pwrite(file.fileno(), b" " * (len(line) - 1), begin)
        begin += len(line)


def _locked(file: BinaryIO, path: Path) -> bool:
    """Lock a file for this worker; return False if another worker has it. Waits for the gateway."""
    return try_lock(file, _WRITING_SECONDS, pause=0.001) and path.exists()


def _append(store: Any, line: Mapping[str, Any], folder: Path) -> None:
    entry = dict(line["entry"])
    for file in line.get("files", ()):
        entry["content"] = entry["content"].replace(file["named"], _taken(file, folder))
    session = store.get_or_create_session(build_source(line["source"]))
    store.append_to_transcript(session.session_id, entry)


def _taken(file: File, folder: Path) -> str:
    """Move a file into the profile's cache; return its path there, as the agent sees it."""
    target = cache_of(file["kind"]) / Path(file["name"]).name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / Path(file["stored"]).name, target)  # they may be on two file systems
    except OSError as error:
        logger.warning("a file of an observed message does not exist: %s", error)
        return lost()
    return seen_by_agent(target)


# -- prompt and skills -------------------------------------------------------------------------

#: Platforms whose adapter puts its own words about a place before the configured ones.
_OWN_WORDS_FIRST = frozenset({"slack"})


def apply_profile_settings(runner: Any, event: Any) -> None:
    """Give a message its channel's prompt and skills, as the profile configures them.

    The receiver calls it before Hermes gets the message. A prompt that the event has already comes
    from no configuration: the adapter itself says it about the group. It is kept, beside the
    configured one.
    """
    source = event.source
    extra = getattr(runner.config.platforms.get(source.platform), "extra", None) or {}
    own, parent = _channel_ids(source)
    prompts = [platforms.channel_prompt(extra, own, parent), event.channel_prompt]
    if source.platform.value in _OWN_WORDS_FIRST:
        prompts.reverse()
    event.channel_prompt = "\n\n".join(filter(None, prompts)) or None
    event.auto_skill = platforms.channel_skills(extra, own, parent) or topic_skill(extra, source)


def _channel_ids(source: Any) -> tuple[str, str | None]:
    """Return the id of the channel or thread, and of its parent, as adapters look them up."""
    chat, thread = str(source.chat_id), source.thread_id
    parent = getattr(source, "parent_chat_id", None)
    if thread is None:
        return chat, str(parent) if parent else None
    return str(thread), str(parent or chat)


def topic_skill(extra: Mapping[str, Any], source: Any) -> str | None:
    """Return the skill that the profile configures for the topic that ``source`` is in, or None.

    ``extra`` are the platform's settings. They have lists of chats with their topics: ``dm_topics``
    for private chats, ``group_topics`` for groups. ``group_topics`` may also be a map from chats to
    topics.
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
