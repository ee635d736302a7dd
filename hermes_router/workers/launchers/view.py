"""What a sandbox shows of the machine, as arguments for ``bwrap``.

Nothing is shown that is not listed here. Of two entries the more specific path wins, so that a
profile's home is there in the middle of a hidden Hermes root, and a virtual environment in the
middle of a hidden HOME. For one and the same path: what the operator configured, then what is
hidden, then the system and the Python installation.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pwd
import site
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values

from hermes_router.config.settings import Sandbox
from hermes_router.errors import ProfileError
from hermes_router.profiles.config import read_profile_config
from hermes_router.profiles.model import Profile, hermes_root

Mode = Literal["ro", "rw", "hide"]

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/etc", "/opt", "/nix/store", "/gnu/store"),
)
#: Links out of the system folders to what some program needs.
_SYSTEM_LINKS = ("/etc/resolv.conf", "/etc/localtime", "/etc/hosts")

#: Variables of the environment that name files or folders with certificates.
_CERTIFICATES = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    "NODE_EXTRA_CA_CERTS",
)
#: Top-level packages whose folders must be there; looked up without importing them.
_PACKAGES = ("hermes_router", "hermes_router_worker", "hermes_cli", "gateway", "run_agent")

_RESERVED = ("/proc", "/dev", "/tmp")  # noqa: S108 - names, nothing is written there
_MOST_LINKS = 40


@dataclass(slots=True)
class View:
    """A file system that is put together path by path; later entries win over equal paths."""

    modes: dict[Path, Mode] = field(default_factory=dict)
    links: dict[Path, str] = field(default_factory=dict)

    def show(self, path: Path, mode: Mode = "ro") -> None:
        """Show ``path``, under its own name and with every link on the way to it."""
        self.modes[self._follow(path)] = mode

    def show_if_there(self, path: Path) -> None:
        """Show ``path`` for reading where it exists."""
        if path.exists():
            self.show(path)

    def hide(self, path: Path) -> None:
        """Have nothing at ``path``, except for more specific entries."""
        self.modes[path.resolve()] = "hide"

    def shows(self, path: Path) -> bool:
        """Say whether what lies at ``path`` outside also lies there inside."""
        covering = self._covering(path.resolve())
        return covering is not None and self.modes[covering] != "hide"

    def _follow(self, path: Path) -> Path:
        """Note the links on the way and return the real path."""
        done, todo = Path("/"), list(Path(os.path.abspath(path)).parts[1:])  # noqa: PTH100
        for _ in range(_MOST_LINKS * 10):
            if not todo:
                break
            step = done / todo.pop(0)
            if step.name == "..":
                done = done.parent
            elif step.is_symlink():
                target = self.links[step] = str(step.readlink())
                todo = [*Path(target).parts, *todo]
                done = done if not target.startswith("/") else Path("/")
                todo = todo[1:] if todo[0] == "/" else todo
            else:
                done = step
        return done

    def _covering(self, path: Path) -> Path | None:
        return next((place for place in (path, *path.parents) if place in self.modes), None)

    def arguments(self) -> Iterator[str]:
        """Yield the arguments, parents before what lies in them."""
        entries: list[tuple[Path, Mode | str]] = [*self.modes.items(), *self.links.items()]
        read_only = ["/"]
        for path, what in sorted(entries, key=lambda entry: len(entry[0].parts)):
            if path in self.links:
                if not self.shows(path.parent):
                    yield from ("--symlink", what, str(path))
            elif what == "ro" and self._covered_by(path) == "ro":
                continue
            elif what != "hide":
                yield from ("--bind" if what == "rw" else "--ro-bind", str(path), str(path))
            elif self._covered_by(path) is not None and path.exists():
                if path.is_dir():
                    yield from ("--tmpfs", str(path))
                    read_only.append(str(path))
                else:
                    yield from ("--ro-bind", "/dev/null", str(path))
        for path_name in reversed(read_only):
            yield from ("--remount-ro", path_name)

    def _covered_by(self, path: Path) -> Mode | None:
        """Return how ``path`` would be seen without its own entry; None for not at all."""
        covering = self._covering(path.parent) if path.parent != path else None
        mode = self.modes[covering] if covering is not None else None
        return None if mode == "hide" else mode


def view_for(
    profile: Profile, sandbox: Sandbox, environment: Mapping[str, str], user_home: Path
) -> View:
    """Return what the sandbox of ``profile`` shows.

    Raises:
        ProfileError: something that it is to show does not exist, or its working directory lies
            where the sandbox shows nothing.
    """
    view = View()
    for path in _installation():
        view.show_if_there(path)
    for name in _CERTIFICATES:
        if environment.get(name, "").startswith("/"):
            view.show_if_there(Path(environment[name]))
    root = hermes_root(profile.home)
    for path in (user_home, *_home_of_user(), root, root / "profiles", *_unreadable_system()):
        view.hide(path)
    view.show(profile.home, "rw")
    for bind in sandbox.binds:
        view.show(_bound(bind.path, profile, user_home), bind.mode)
    _check_workspace(view, profile)
    return view


def _home_of_user() -> Iterator[Path]:
    with contextlib.suppress(KeyError):  # a container may run us as a user that has no entry
        yield Path(pwd.getpwuid(os.getuid()).pw_dir)


def _bound(text: str, profile: Profile, user_home: Path) -> Path:
    path = user_home / text[2:] if text.startswith("~/") else Path(text)
    if not path.exists():
        raise ProfileError(
            f"is to see {text}, which does not exist",
            profile=profile.name,
            hint="create it, or take it out of sandbox.binds",
        )
    if path.resolve() == Path("/") or str(path.resolve()) in _RESERVED:
        raise ProfileError(f"cannot be shown {text} of the machine", profile=profile.name)
    return path


def _check_workspace(view: View, profile: Profile) -> None:
    """Refuse a ``terminal.cwd`` that is not in the sandbox.

    It stands in the profile's own configuration, which its worker can write: were it shown because
    it stands there, a worker could choose for itself what it sees.
    """
    terminal = read_profile_config(profile.home / "config.yaml").get("terminal")
    value = terminal.get("cwd") if isinstance(terminal, dict) else None
    if not isinstance(value, str) or value.strip() in {"", "."}:
        return
    values = {**dotenv_values(profile.home / ".env"), "HOME": str(profile.tool_home)}
    for name, known in values.items():
        value = value.replace(f"${{{name}}}", known or "")
    if value.startswith("~"):
        value = f"{profile.tool_home}{value[1:]}"
    if Path(value).is_dir() and not view.shows(Path(value)):
        raise ProfileError(
            f"works in {value} (terminal.cwd), which its sandbox does not show",
            profile=profile.name,
            hint=f"sandbox: {{binds: [{{path: {value}, mode: rw}}]}}",
        )


@functools.cache
def _installation() -> tuple[Path, ...]:
    """Return the system's folders and those that Python, Hermes and the router are installed in."""
    paths = [Path(name) for name in _SYSTEM]
    paths += [Path(name) for name in _SYSTEM_LINKS if Path(name).is_symlink()]
    paths += [Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), Path(sys.executable)]
    paths += [Path(name) for name in site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        paths.append(Path(site.getusersitepackages()))
    paths += _package_folders()
    return tuple(dict.fromkeys(paths))


def _package_folders() -> Iterator[Path]:
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        if name.startswith("hermes_router"):
            yield origin.parent
        elif "site-packages" not in origin.parts:
            # A source tree: Hermes's modules lie beside each other in it.
            yield origin.parent.parent if spec.submodule_search_locations else origin.parent


def _unreadable_system() -> Iterable[Path]:
    """Return what of ``/etc`` is not for everybody: the gateway may run as root."""
    for folder, folders, files in os.walk("/etc"):
        for name in [*folders, *files]:
            path = Path(folder, name)
            try:
                status = path.lstat()
            except OSError:
                continue
            wanted = 0o005 if stat.S_ISDIR(status.st_mode) else 0o004
            if not stat.S_ISLNK(status.st_mode) and status.st_mode & wanted != wanted:
                if name in folders:
                    folders.remove(name)
                yield path
