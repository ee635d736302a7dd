"""Keep the content of a message without an outcome, in the home of the profile that it is for.

The next gateway needs it if this one dies. The ledger stores where a message was sent, but not its
text: the text is private to the profile. The profile's processes can change these files, so the
gateway reads only the content of the message from them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.profiles.small_file import read_small

#: The folder below the profile's home.
FOLDER = ("hermes-router", "waiting")

_MOST_BYTES = 1024 * 1024
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class KeptEvent(msgspec.Struct, frozen=True):
    """A message as it is kept: the fields of Hermes's event as plain data.

    ``files`` is True if the message had attachments. These are not kept.
    """

    fields: dict[str, Any]
    files: bool = False

    @property
    def text(self) -> str:
        """The text of the message."""
        return str(self.fields.get("text") or "")


def keep(home: Path, number: str, fields: Mapping[str, Any], *, files: bool) -> None:
    """Write the fields of a routed message to a file in the profile's home; follow no link.

    ``number`` is the id of the message's entry in the gateway's ledger, and names the file.
    ``files`` is True if the message had attachments; they are not kept.

    Raises:
        OSError: the file cannot be written, or exists already.
    """
    content = msgspec.json.encode(KeptEvent(dict(fields), files))
    with _folder(home) as folder:
        file = os.open(f"{number}.json", _CREATE, 0o600, dir_fd=folder)
        with os.fdopen(file, "wb") as target:
            target.write(content)


def read(home: Path, number: str) -> KeptEvent | None:
    """Return the message that :func:`keep` wrote for a ledger entry; the file stays.

    Returns None if there is no such file, or if it cannot be read.
    """
    try:
        with _folder(home) as folder:
            content = read_small(Path(f"{number}.json"), _MOST_BYTES, folder=folder)
            return msgspec.json.decode(content, type=KeptEvent)
    except (OSError, msgspec.MsgspecError):
        return None


def forget(home: Path, number: str) -> None:
    """Delete the file that :func:`keep` wrote for a ledger entry; errors are ignored.

    The message has its outcome then.
    """
    with contextlib.suppress(OSError), _folder(home) as folder:
        os.unlink(f"{number}.json", dir_fd=folder)


@contextlib.contextmanager
def _folder(home: Path) -> Iterator[int]:
    """Make the folder if needed, and open it."""
    folder = os.open(home, _LOOK)
    try:
        for part in FOLDER:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=folder)
            below = os.open(part, _LOOK | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)
