"""Which Hermes home the gateway uses, whether a gateway runs there, and whether Hermes is here.

The home is found as ``hermes gateway run`` without ``-p`` finds it (read in 0.13 to 0.19). An
``HERMES_HOME`` that is a profile's home is used directly. Otherwise the file ``active_profile`` in
the root decides, unless a supervisor started the gateway (``HERMES_S6_SUPERVISED_CHILD``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.cli.status import NEGATIVE, WRONG, CommandError
from hermes_router.profiles import model
from hermes_router.profiles.commands import Commands
from hermes_router.protocol.system.pids import is_running, start_time
from hermes_router.protocol.system.versions import hermes_package


class GatewayHome(msgspec.Struct, frozen=True, kw_only=True):
    """The Hermes home that the gateway runs on.

    ``chosen_by`` says what named it: ``--home``, ``HERMES_HOME``, ``the default``, or the path of
    the file ``active_profile``.
    """

    path: Path
    chosen_by: str

    @property
    def config(self) -> Path:
        """The gateway's configuration file."""
        return self.path / "config.yaml"

    @property
    def root(self) -> Path:
        """The Hermes root, which holds the profiles."""
        return model.hermes_root(self.path)

    @property
    def profile(self) -> str:
        """The profile that the gateway itself runs as."""
        return model.profile_name_of(self.path)

    def hermes(self, words: str, profile: str | None = None) -> str:
        """Return the `hermes` command that acts on a profile here, by default the gateway's.

        The command names the home if a plain `hermes` would use another home.
        """
        return self._commands.hermes(words, profile)

    def router(self, words: str) -> str:
        """Return the `hermes-router` command that acts on this home."""
        return self._commands.router(words)

    @property
    def restart(self) -> str:
        """The command that restarts this home's gateway."""
        return self._commands.restart

    @property
    def _commands(self) -> Commands:
        named = self.chosen_by == "--home"
        return Commands(home=self.path, names_root=named, names_home=named)


def gateway_home(option: str | None = None) -> GatewayHome:
    """Return the gateway's home: ``option`` if given, else the one that the environment names.

    Raises:
        CommandError: there is no such folder, or the active profile does not exist.
    """
    home = _given(option) if option is not None else _from_environment(os.environ)
    if not home.path.is_dir():
        if not hermes_installed():
            besides = f"there is no Hermes home {home.path} ({home.chosen_by}), and "
            raise wrong_interpreter(besides, status=WRONG)
        raise CommandError(
            "there is no Hermes home",
            where=f"{home.path} ({home.chosen_by})",
            hint="run hermes once, or give the gateway's home by --home or HERMES_HOME",
            status=WRONG,
        )
    return home


def given_path(option: str, text: str) -> Path:
    """Return the path that an option of the command line names.

    Raises:
        CommandError: the text is empty, as an unset variable of a shell is, or it begins with the
            name of a user who does not exist.
    """
    try:
        if text.strip():
            return Path(text).expanduser()
    except RuntimeError:  # "~nobody"
        message = f"{option} names the home of a user who does not exist: {text!r}"
        raise CommandError(message, status=WRONG) from None
    raise CommandError(f"{option} needs a path, and got an empty text", status=WRONG)


def _given(option: str) -> GatewayHome:
    home = Path(os.path.realpath(given_path("--home", option)))
    return GatewayHome(path=home, chosen_by="--home")


def _from_environment(environment: Mapping[str, str]) -> GatewayHome:
    named = environment.get("HERMES_HOME", "").strip()
    native = Path.home() / ".hermes"
    home = Path(named) if named else native
    chosen_by = "HERMES_HOME" if named else "the default"
    if home.parent.name == "profiles" and named:
        return GatewayHome(path=home, chosen_by=chosen_by)
    if not environment.get("HERMES_S6_SUPERVISED_CHILD"):
        root = native if named and _below(home, native) else home
        active = _active_profile(root)
        if active is not None:
            return _of_active(root, active)
    return GatewayHome(path=home, chosen_by=chosen_by)


def _of_active(root: Path, name: str) -> GatewayHome:
    file = root / "active_profile"
    home = root / "profiles" / name
    if not model.PROFILE_NAME.match(name) or not home.is_dir():
        raise CommandError(
            f"the active profile {name!r} does not exist",
            where=str(file),
            hint="run: hermes profile use default, or give the gateway's home by --home",
            status=WRONG,
        )
    return GatewayHome(path=home, chosen_by=f"{file}")


def _active_profile(root: Path) -> str | None:
    file = root / "active_profile"
    try:
        if not file.is_file():  # the same
            return None
        name = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return name if name not in {"", "default"} else None


def _below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


# -- running gateways ------------------------------------------------------------------------------


def running_gateway(home: Path) -> int | None:
    """Return the process id of the gateway that runs on a home, or None.

    It comes from Hermes's pid file and is checked against the process, because a system reuses
    process ids.
    """
    record = _pid_record(home / "gateway.pid")
    pid = record.get("pid")
    if not isinstance(pid, int) or not is_running(pid):
        return None
    recorded, actual = record.get("start_time"), start_time(pid)
    if recorded is not None and actual is not None:
        return pid if recorded == actual else None
    return pid if "gateway" in _command_line(pid) else None


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment with which a process was started; empty if the system hides it."""
    try:
        block = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (os.fsdecode(item).partition("=") for item in block.split(b"\0"))
    found = {name: value for name, separator, value in pairs if separator}
    return found if "PATH" in found else {}


def _pid_record(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():  # to open a FIFO would wait for its writer
            return {}
        record = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    if isinstance(record, int):
        return {"pid": record}
    return record if isinstance(record, dict) else {}


def _command_line(pid: int) -> str:
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        import subprocess  # noqa: PLC0415 - only on systems without /proc

        listing = subprocess.run(
            ["/bin/ps", "-o", "command=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        return listing.stdout


# -- Hermes in this Python -------------------------------------------------------------------------


def hermes_installed() -> bool:
    """Return True if this Python has Hermes; this does not import it."""
    return hermes_package() is not None


def wrong_interpreter(besides: str = "", *, status: int = NEGATIVE) -> CommandError:
    """Return the error that this Python has no Hermes; its hint has the command that installs us.

    ``besides`` is put before the message, ``status`` is the exit status.
    """
    from hermes_router.cli.inspect import layouts  # noqa: PLC0415 - for an error only

    return CommandError(
        f"{besides}Hermes is not installed in this Python, so it cannot load hermes-router from "
        "here",
        where=sys.executable,
        hint=f"install into Hermes's own Python, from a clone: {layouts.found().install}",
        status=status,
    )
