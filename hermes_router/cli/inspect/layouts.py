"""How Hermes was installed on this machine, and the command that installs the router into it.

``hermes`` on PATH is one of three: a script of Python's (pip, uv), a shell script with one ``exec``
line (older install scripts), or a shell script of Hermes's own package manager ("managed").

``python3 layouts.py CLONE`` prints the command that installs a clone of the router. It needs
nothing but Python, because a new image with Hermes has no file of the router yet.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: Stands for the folder of the router's clone: the router is not on a package index.
CLONE = "PATH_OF_YOUR_CLONE"

_MOST_SHIMS = 4
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One Hermes: how it was installed, its command and its Python, if they are known."""

    kind: Literal["managed", "pip", "uv", "unknown"]
    command: Path | None = None
    python: Path | None = None

    @property
    def install(self) -> str:
        """The command that installs the router into this Hermes, from a clone of the router."""
        return self.install_from(CLONE)

    def install_from(self, clone: str) -> str:
        """Return the command that installs the router from the folder ``clone``."""
        if self.kind == "managed":
            name = shlex.quote(str(self.command or "hermes"))
            return f"{name} plugins install file://{clone} --enable --yes-deps"
        python = shlex.quote(str(self.python)) if self.python else "PYTHON_OF_HERMES"
        if self.kind == "uv":
            return f"uv pip install --python {python} {clone}"
        return f"{python} -m pip install {clone}"


def found(command: str | None = None) -> Layout:
    """Return the layout of ``command``, or of the ``hermes`` that comes first on PATH."""
    path = command or shutil.which("hermes")
    return _look(Path(path)) if path else Layout(kind="unknown")


def here() -> Layout:
    """Return the layout of the Hermes in the Python that runs this."""
    command, python = found(), Path(sys.executable)
    if command.python is not None and command.python.resolve() == python.resolve():
        return command
    return of_python(python)


def _look(command: Path) -> Layout:
    """Follow shell scripts to the Python that they start."""
    target = command
    for _ in range(_MOST_SHIMS):
        text = _text(target)
        words = _shebang(text)
        if not words:
            break
        if _is_python(words[0]):
            return of_python(Path(words[0]), command)
        started = _exec_words(text)
        if not started:
            break
        if _is_python(started[0]):
            python = Path(started[0])
            if "hermes_bootstrap" in text:
                return Layout(kind="managed", command=command, python=python)
            return of_python(python, command)
        target = Path(os.path.expandvars(started[0])).expanduser()
    return Layout(kind="unknown", command=command)


def of_python(python: Path, command: Path | None = None) -> Layout:
    """Return the layout of the Hermes in a Python, with ``command`` as its command.

    The router is installed into it by pip, or by uv if that Python has no pip.
    """
    return Layout(kind="pip" if _has_pip(python) else "uv", command=command, python=python)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _shebang(text: str) -> list[str]:
    """Return the words of the first line; after ``env``, the words that ``env`` starts."""
    first = text.partition("\n")[0]
    words = first.removeprefix("#!").split() if first.startswith("#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-")]
        words = [shutil.which(words[0]) or words[0]] if words else []
    return words


def _exec_words(text: str) -> list[str]:
    """Return the command of a shell script's last ``exec``, without variables and options."""
    words = _words(text)
    if "exec" not in words:
        return []
    last = len(words) - 1 - words[::-1].index("exec")
    rest = words[last + 1 :]
    while rest and (rest[0] == "env" or "=" in rest[0] or rest[0].startswith("-")):
        rest = rest[1:]
    return rest


def _words(text: str) -> list[str]:
    """Split a script into words as a shell does; a quoted word may span several lines."""
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


def _is_python(word: str) -> bool:
    return Path(word).name.startswith(("python", "pypy"))


def _has_pip(python: Path) -> bool:
    """Say whether a Python has pip, without starting it."""
    folder = python.parent.parent
    if not (folder / "pyvenv.cfg").exists():
        return True
    return any(folder.glob("lib*/python3*/site-packages/pip/__init__.py"))


if __name__ == "__main__":
    print(found().install_from(shlex.quote(sys.argv[1])))
