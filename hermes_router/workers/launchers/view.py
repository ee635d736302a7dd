"""Build the file system of a sandbox, as arguments for ``bwrap``.

A sandbox shows only the paths that are listed here. Of two entries the more specific path wins. So
a profile's home is visible inside the hidden Hermes root, and a virtual environment inside the
hidden HOME. If entries name the same path, the operator's setting wins over a hidden path, and a
hidden path wins over the system's and Python's folders.
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

from hermes_router.base.errors import ProfileError
from hermes_router.config.settings import Sandbox
from hermes_router.profiles.config import read_profile_config
from hermes_router.profiles.env_file import env_values
from hermes_router.profiles.model import PARKED, Profile, hermes_root
from hermes_router.protocol.system import sources
from hermes_router.workers.code import own_code

Mode = Literal["ro", "rw", "hide", "own"]
"""``ro``: read only. ``rw``: read and write. ``hide``: not visible. ``own``: an empty folder that
only the sandbox has, to read and write."""

_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/etc", "/opt", "/nix/store", "/gnu/store"),
)
#: System files that may be links to other folders; programs need them.
_SYSTEM_LINKS = ("/etc/resolv.conf", "/etc/localtime", "/etc/hosts")

#: Variables of the environment that name files or folders with certificates.
_CERTIFICATES = (
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    "NODE_EXTRA_CA_CERTS",
)
#: Hermes's top-level packages; a sandbox shows their folders. They are found without an import.
_PACKAGES = ("hermes_cli", "gateway", "run_agent")

_RESERVED = ("/proc", "/dev", "/tmp")  # noqa: S108 - only names; nothing is written there
_MOST_LINKS = 40


@dataclass(slots=True)
class View:
    """The file system of a sandbox, built path by path. For equal paths the later entry wins.

    ``modes`` says how each path is shown. ``links`` maps a symbolic link to its target. ``files``
    maps a path to the file whose content is shown there.
    """

    modes: dict[Path, Mode] = field(default_factory=dict)
    links: dict[Path, str] = field(default_factory=dict)
    files: dict[Path, Path] = field(default_factory=dict)

    def show(self, path: Path, mode: Mode = "ro") -> None:
        """Make ``path`` visible in the sandbox under its own name, read only by default.

        Symbolic links on the way to it are in the sandbox too.
        """
        self.modes[self._follow(path)] = mode

    def show_if_there(self, path: Path) -> None:
        """Show ``path`` read only, if it exists."""
        if path.exists():
            self.show(path)

    def hide(self, path: Path) -> None:
        """Make ``path`` invisible in the sandbox, except for paths below it that are shown."""
        self.modes[path.resolve()] = "hide"

    def shows(self, path: Path) -> bool:
        """Return True if the sandbox shows the machine's own file or folder at ``path``.

        False if the path is hidden, is an empty folder of the sandbox's own, or is not shown at
        all.
        """
        covering = self._covering(path.resolve())
        return covering is not None and self.modes[covering] in {"ro", "rw"}

    def _follow(self, path: Path) -> Path:
        """Note the symbolic links on the way to ``path`` and return the real path."""
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
        """Yield the arguments for ``bwrap``; a folder comes before the paths in it."""
        entries: list[tuple[Path, Mode | str]] = [*self.modes.items(), *self.links.items()]
        read_only = ["/"]
        for path, what in sorted(entries, key=lambda entry: len(entry[0].parts)):
            if path in self.links:
                if not self.shows(path.parent):
                    yield from ("--symlink", what, str(path))
            elif what != "hide":
                yield from self._shown(path, what)
            elif self._covered_by(path) is not None and path.exists():
                if path.is_dir():
                    yield from ("--tmpfs", str(path))
                    read_only.append(str(path))
                else:
                    yield from ("--ro-bind", "/dev/null", str(path))
        for path, source in self.files.items():
            yield from ("--ro-bind", str(source), str(path))
        for path_name in reversed(read_only):
            yield from ("--remount-ro", path_name)

    def _shown(self, path: Path, mode: str) -> Iterator[str]:
        if mode == "own":
            yield from ("--tmpfs", str(path))
        elif mode == "rw" or self._covered_by(path) != "ro":
            yield from ("--bind" if mode == "rw" else "--ro-bind", str(path), str(path))

    def _covered_by(self, path: Path) -> Mode | None:
        """Return the mode of ``path`` without its own entry; None if it would not be visible."""
        covering = self._covering(path.parent) if path.parent != path else None
        mode = self.modes[covering] if covering is not None else None
        return None if mode == "hide" else mode


def view_for(
    profile: Profile, sandbox: Sandbox, environment: Mapping[str, str], user_home: Path
) -> View:
    """Return the file system of the sandbox of ``profile``.

    Raises:
        ProfileError: a path of ``sandbox.binds`` does not exist or may not be shown, or the
            profile's working directory is not visible in the sandbox.
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
    for path in own_packages():
        view.show(path)
    _show_launcher(view)
    view.show(profile.home, "rw")
    view.hide(profile.home / PARKED)  # so it cannot be removed, and stays parked
    for bind in sandbox.binds:
        view.show(_bound(bind.path, profile, user_home), bind.mode)
    _check_workspace(view, profile)
    return view


def _home_of_user() -> Iterator[Path]:
    with contextlib.suppress(KeyError):  # in a container our user may have no entry
        yield Path(pwd.getpwuid(os.getuid()).pw_dir)


def _bound(text: str, profile: Profile, user_home: Path) -> Path:
    path = user_home / text[2:] if text.startswith("~/") else Path(text)
    if not path.exists():
        raise ProfileError(
            f"has a sandbox that must show {text}, which does not exist",
            profile=profile.name,
            hint="create it, or remove it from sandbox.binds",
        )
    if path.resolve() == Path("/") or str(path.resolve()) in _RESERVED:
        raise ProfileError(
            f"has a sandbox that may not show {text} of the machine", profile=profile.name
        )
    return path


def _check_workspace(view: View, profile: Profile) -> None:
    """Refuse a ``terminal.cwd`` that the sandbox does not show.

    The setting is in the profile's own configuration, which the worker can write. If the sandbox
    showed that folder because of the setting, a worker could choose what it sees.

    Raises:
        ProfileError: the folder exists, and the sandbox does not show it.
    """
    terminal = read_profile_config(profile.home / "config.yaml").get("terminal")
    value = terminal.get("cwd") if isinstance(terminal, dict) else None
    if not isinstance(value, str) or value.strip() in {"", "."}:
        return
    values = {**env_values(profile.home / ".env"), "HOME": str(profile.tool_home)}
    for name, known in values.items():
        value = value.replace(f"${{{name}}}", known)
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
    """Return the system's folders, and the folders of the Python and Hermes installation."""
    paths = [Path(name) for name in _SYSTEM]
    paths += [Path(name) for name in _SYSTEM_LINKS if Path(name).is_symlink()]
    paths += [Path(sys.prefix), Path(sys.base_prefix), Path(sys.exec_prefix), Path(sys.executable)]
    paths += [Path(name) for name in site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        paths.append(Path(site.getusersitepackages()))
    paths += _package_folders()
    return tuple(dict.fromkeys(paths))


def own_packages() -> Iterator[Path]:
    """Yield the folders of the router's packages that a sandbox must show.

    They are the copy that workers run, if there is one, and the installed packages.
    """
    code = own_code.in_use()
    if code is not None and code.copy is not None:
        yield code.copy
    folders = (sources.folder_of(name) for name in sources.OWN_PACKAGES)
    yield from (folder for folder in folders if folder is not None)


def _show_launcher(view: View) -> None:
    """Show the folders and files of Hermes's launcher, as they were when the gateway started."""
    code = own_code.in_use()
    if code is None or code.launcher is None or code.copy is None:
        return
    for path in code.launcher.folders:
        view.show(path)
    for path in code.launcher.places:
        view.modes[path.resolve()] = "own"
    for number, (path, content) in enumerate(code.launcher.files.items()):
        source = code.copy / f"shown-{number}"
        source.write_bytes(content)
        view.files[path] = source


def _package_folders() -> Iterator[Path]:
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        if "site-packages" not in origin.parts:
            # A source tree: Hermes's modules lie beside each other in it.
            yield origin.parent.parent if spec.submodule_search_locations else origin.parent


def _unreadable_system() -> Iterable[Path]:
    """Yield the paths in ``/etc`` that not every user may read: the gateway may run as root."""
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
