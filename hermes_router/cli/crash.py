"""Report a bug in a file that says where it happened, without the user's input and data.

The report holds versions, the platform, the command's name, the names of the given options, and the
places in the code. It holds no values of arguments, no environment, and not the exception's text,
which may quote a configuration. That text goes to the terminal only.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hermes_router.cli.inspect.versions import versions
from hermes_router.cli.parser import COMMANDS
from hermes_router.cli.terminal import output

ISSUES = "the project's issue tracker"


def report(error: BaseException, argv: Sequence[str]) -> None:
    """Write a report of a bug to a file; say on standard error what happened and where the file is.

    ``argv`` are the command's arguments. If no file can be written, the report goes there too.
    """
    print(
        output.clean(f"ERROR: a bug in hermes-router: {type(error).__name__}: {error}"),
        file=sys.stderr,
    )
    text = "\n".join(_lines(error, argv)) + "\n"
    path = _write(text)
    if path is None:
        print(text, file=sys.stderr)
    where = f"the report {path}" if path is not None else "the report above"
    output.tip(f"please send {where} to {ISSUES}; it contains none of your names, ids or secrets")


def _lines(error: BaseException, argv: Sequence[str]) -> Iterator[str]:
    yield f"hermes-router crash report, {datetime.now(UTC).isoformat(timespec='seconds')}"
    for name, version in versions().items():
        yield f"{name}: {version}"
    yield f"platform: {platform.system()} {platform.release()} {platform.machine()}"
    command = next((word for word in argv if word in COMMANDS), "none")
    yield f"command: {command}"
    options = [word.partition("=")[0] for word in argv if word.startswith("--")]
    yield f"options: {' '.join(option for option in options if is_option_name(option)) or 'none'}"
    link: BaseException | None = error
    while link is not None:
        yield f"{type(link).__module__}.{type(link).__qualname__} at"
        for frame in traceback.extract_tb(link.__traceback__):
            yield f"  {_place(frame.filename)}:{frame.lineno} {frame.name}"
        link = link.__cause__ or link.__context__


def is_option_name(option: str) -> bool:
    """Return True if a text is the name of an option of one of our commands.

    A crash report names only such options: another text may be a mistyped secret that begins with
    dashes.
    """
    return option.removeprefix("--") in _OPTIONS


_OPTIONS = frozenset(
    (
        *("home", "json", "config", "user", "guild", "parent", "chat-type", "say", "keep"),
        *("check", "strict", "version", "help", "offline", "verbose", "purge", "output"),
        *("map", "create", "clone-from", "platform", "profile", "list", "dry-run", "undo"),
        *("since", "slow", "failed", "turn", "level", "lines", "follow", "watch"),
    )
)


def _place(filename: str) -> str:
    """Return a source file's name from its package on: the part before it may name the user."""
    parts = Path(filename).parts
    roots = [index for index, part in enumerate(parts) if part in {"site-packages", "lib"}]
    ours = [index for index, part in enumerate(parts) if part.startswith("hermes_router")]
    start = ours[-1] if ours else roots[-1] + 1 if roots else len(parts) - 1
    return "/".join(parts[start:])


def _write(text: str) -> Path | None:
    for folder in (state_folder(), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(
                prefix="hermes-router-crash-", suffix=".txt", dir=folder
            )
        except OSError:
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        return Path(name)
    return None


def state_folder() -> Path:
    """Return the folder in which this user's reports of bugs are written; it may not exist."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base else Path.home() / ".local" / "state") / "hermes-router"
