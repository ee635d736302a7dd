"""`PackageIndex`: the packages that the tests' Python has, as a package index on 127.0.0.1.

with PackageIndex(tmp_path) as index:
    subprocess.run(["uv", "lock", "--default-index", index.simple])

A wheel is packed from the installed files when somebody asks for its project, so nothing has to
be downloaded. Other files in the folder are served too: archives for a package manager.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import threading
import zipfile
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tests.kit.outside.serving import LocalServer

#: Files that an installer writes beside a package; they are not part of its wheel.
_INSTALLERS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


class PackageIndex(LocalServer):
    """Serves `/simple/PROJECT/` with one wheel each, and `/files/` with all of the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._wheels: dict[str, Path] = {}
        self._lock = threading.Lock()
        found = importlib.metadata.distributions()
        self._installed = {canonicalize_name(dist.name): dist for dist in found}

    @property
    def simple(self) -> str:
        """The address of the index, for pip and uv."""
        return f"{self.origin}/simple"

    def has(self, project: str) -> bool:
        """Return True if a project is installed in the tests' Python, so that the index has it."""
        return canonicalize_name(project) in self._installed

    def wheel(self, project: str) -> dict[str, str]:
        """Return address and digest of an installed project's wheel, as :meth:`file` does.

        Raises:
            KeyError: it is not installed.
        """
        name = canonicalize_name(project)
        with self._lock:
            if name not in self._wheels:
                self._wheels[name] = _pack(self._installed[name], self.folder)
        return self.file(self._wheels[name].name)

    def file(self, name: str) -> dict[str, str]:
        """Return address (`url`) and SHA-256 (`sha256`) of a file in the folder."""
        with (self.folder / name).open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return {"url": f"{self.origin}/files/{name}", "sha256": digest}

    def _application(self) -> Starlette:
        files: Any = StaticFiles(directory=self.folder)
        return Starlette(
            routes=[Route("/simple/{project}/", self._project), Mount("/files", files)]
        )

    def _project(self, request: Request) -> Response:
        project = request.path_params["project"]
        if not self.has(project):
            return Response(status_code=404)
        wheel = self.wheel(project)
        name = wheel["url"].rpartition("/")[2]
        return HTMLResponse(f'<a href="{wheel["url"]}#sha256={wheel["sha256"]}">{name}</a>')


def _pack(dist: Distribution, folder: Path) -> Path:
    """Write the wheel of an installed distribution; its commands are made anew from metadata."""
    stem = f"{canonicalize_name(dist.name).replace('-', '_')}-{dist.version}"
    wheel = folder / f"{stem}-{_tags(dist)}.whl"
    listed: list[str] = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
        for file in dist.files or ():
            top, *inner = file.parts
            if top == ".." or "__pycache__" in inner or file.name in _INSTALLERS:
                continue
            here = f"{stem}.dist-info" if top.endswith(".dist-info") else top
            listed.append("/".join((here, *inner)))
            archive.write(str(file.locate()), listed[-1])
        listed.append(f"{stem}.dist-info/RECORD")
        archive.writestr(listed[-1], "".join(f"{name},,\n" for name in listed))
    return wheel


def _tags(dist: Distribution) -> str:
    """Return the end of a wheel's name, say `cp311-cp311-manylinux_2_17_x86_64`."""
    lines = (dist.read_text("WHEEL") or "").splitlines()
    tags = [line.removeprefix("Tag: ").split("-") for line in lines if line.startswith("Tag: ")]
    return "-".join(".".join(sorted(set(part))) for part in zip(*tags, strict=True))
