"""`RouterClone`: a git repository of the router's files as they are now, in any version.

clone = RouterClone(tmp_path / "clone")
first = clone.commit("0.1.7")
subprocess.run(["hermes", "plugins", "install", clone.url])
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_WHO = ("-c", "user.name=kit", "-c", "user.email=kit@localhost", "-c", "commit.gpgsign=false")


def copy_tree(folder: Path) -> None:
    """Copy what a clone would hold: tracked and new files, as they are now, and no ignored ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, timeout=200,
    ).stdout  # fmt: skip
    for name in os.fsdecode(listed).split("\0")[:-1]:
        if (ROOT / name).is_file():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
            copy.chmod((ROOT / name).stat().st_mode)


class RouterClone:
    """A repository of its own, from which a router of any version can be installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"file://{folder}"
        copy_tree(folder)
        self._git("init", "--quiet", "--initial-branch", "main")

    def commit(self, version: str) -> str:
        """Give the router a version, and commit everything; return the commit's id."""
        file = self.folder / "hermes_router" / "__init__.py"
        text = re.sub(r"__version__ = .*", f'__version__ = "{version}"', file.read_text("utf-8"))
        file.write_text(text, "utf-8")
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", f"version {version}")
        return self.head()

    def head(self) -> str:
        """Return the id of the newest commit."""
        return self._git("rev-parse", "HEAD")

    def _git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *_WHO, *arguments],
            cwd=self.folder, capture_output=True, text=True, check=True, timeout=200,
        ).stdout.strip()  # fmt: skip
