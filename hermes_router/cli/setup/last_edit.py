"""The gateway's configuration as text, and the last edit that one of our commands made to it.

``config.yaml.before-hermes-router`` beside the configuration is the file as it was before that
edit. The record ``hermes-router/last-edit.json`` also holds what the edit wrote, so that an undo
can tell whether the file was edited since.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec

from hermes_router.cli.inspect.homes import GatewayHome
from hermes_router.cli.status import CommandError
from hermes_router.cli.terminal.output import counted
from hermes_router.protocol.files.whole_file import replace_file

_BACKUP, _RECORD = "config.yaml.before-hermes-router", "last-edit.json"


class _Edit(msgspec.Struct, frozen=True, kw_only=True):
    """The text of the configuration before and after an edit."""

    before: str
    after: str


def read_text(file: Path) -> str:
    """Return a configuration's text; "" if there is no file.

    Raises:
        CommandError: the file cannot be read.
        PermissionError: this user may not read it; the command line tells that alike everywhere.
    """
    try:
        if file.exists() and not file.is_file():  # to open a FIFO would wait for its writer
            raise CommandError("cannot be read: it is not a regular file", where=str(file))
        return file.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except PermissionError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is not UTF-8: {error}"
        raise CommandError(f"cannot be read: {why}", where=str(file)) from error


def replace_text(home: GatewayHome, old: str, new: str) -> None:
    """Write a configuration as a whole; keep the old text in a file beside it.

    Raises:
        CommandError: the file cannot be written, or it is not ``old`` any more.
    """
    if read_text(home.config) != old:
        what = "was changed by somebody else meanwhile, so nothing was written"
        raise CommandError(what, where=str(home.config), hint="run this again")
    try:
        target = home.config.resolve()
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        replace_file(home.path / _BACKUP, old.encode())
        note(home, old, new)
        replace_file(target, new.encode())
        target.chmod(mode)
    except OSError as error:
        raise CommandError(
            f"cannot be written: {error.strerror}",
            where=str(home.config),
            hint="run this as the user that runs the gateway",
        ) from error


def note(home: GatewayHome, before: str, after: str) -> None:
    """Record our last edit of the configuration, so that ``route --undo`` can take it back.

    ``after`` is the text that we wrote, ``before`` the text in the backup.

    Raises:
        OSError: the record cannot be written.
    """
    edit = _Edit(before=before, after=after)
    replace_file(home.path / "hermes-router" / _RECORD, msgspec.json.encode(edit))


def to_undo(home: GatewayHome) -> tuple[str, str]:
    """Return the configuration's text now, and the text before our last edit.

    Raises:
        CommandError: there is no edit to undo, or the file may have been edited since.
    """
    backup = home.path / _BACKUP
    if not backup.exists():
        raise CommandError("there is no edit to undo", where=str(backup))
    now, before = read_text(home.config), read_text(backup)
    if now == before:
        raise CommandError("there is no edit to undo: both files are the same", where=str(backup))
    edit = _recorded(home)
    if edit is None or edit.before != before:
        why = "it is not known what the last edit wrote: to undo it might lose an edit of yours"
    elif edit.after != now:
        why = (
            f"was edited since ({_differs(edit.after, now)}): to undo the last edit would lose that"
        )
    else:
        return now, before
    kept, file = shlex.quote(str(backup)), shlex.quote(str(home.config))
    hint = f"see what differs: diff {kept} {file}; to restore it all the same: cp {kept} {file}"
    raise CommandError(why, where=str(home.config), hint=hint)


def _recorded(home: GatewayHome) -> _Edit | None:
    """Return the record of the last edit; None without one, as an older version left no record."""
    try:
        file = home.path / "hermes-router" / _RECORD
        return msgspec.json.decode(file.read_bytes(), type=_Edit)
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
        return None


def _differs(before: str, after: str) -> str:
    """Return how many lines differ, and where the first of them is."""
    import difflib  # noqa: PLC0415 - for an error only

    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    found = [
        (j1, j2 - j1, i2 - i1)
        for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new).get_opcodes()
        if kind != "equal"
    ]
    added, removed = (sum(change[part] for change in found) for part in (1, 2))
    return f"from line {found[0][0] + 1} on: {counted(added, 'line')} added, {removed} removed"
