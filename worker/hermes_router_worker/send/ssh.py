"""``ssh`` and its companions for a worker's own processes: they use the profile's keys.

OpenSSH takes its user's home from the system's list of users, and not from HOME. So a profile's
``ssh`` and ``git push`` would use the keys of the account that runs the gateway. Small programs of
the same names, first in PATH, start the real ones with the profile's files. Programs that start
``ssh`` by its name (git, rsync) find them too.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")

#: The options of ssh, in the form for ``getopts``.
_OPTIONS = "1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:PQ:R:S:TVw:W:XYy"

_SYSTEMS = Path("/etc/ssh/ssh_config")

_accounts = [False]


def use_accounts() -> None:
    """Have :func:`lay_out` give ``ssh`` the keys of the account that runs the gateway.

    A worker calls it at its start if the profile shares them (``share: [ssh]``).
    """
    _accounts[0] = True


def lay_out(folder: Path, home: Path) -> None:
    """Write ``ssh``, ``scp``, ``sftp`` and ``ssh-add`` into ``folder``, which is first in PATH.

    The programs start the real ones with the files in ``home``, the profile's HOME. A program that
    the machine lacks is left out. After :func:`use_accounts`, they use the account's files; they
    are only written where ssh itself would refuse the system's settings.

    Raises:
        OSError: a program cannot be written.
    """
    for name, script in _scripts().items():
        real = _real(name, folder)
        if real is not None:
            program = folder / name
            program.write_text(f"#!/bin/sh\n{script(real, folder, home)}")
            program.chmod(0o700)


def _scripts() -> dict[str, Callable[[str, Path, Path], str]]:
    """Return a function for each program that writes it; none if ssh itself finds the files."""
    if not _accounts[0]:
        return {"ssh": _ssh, "scp": _copy, "sftp": _copy, "ssh-add": _add}
    if _SYSTEMS.exists() and not _believed(_SYSTEMS):
        return {"ssh": _accounts_ssh, "scp": _copy, "sftp": _copy}
    return {}


def _real(name: str, folder: Path) -> str | None:
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    others = [entry for entry in entries if entry != str(folder)]
    return shutil.which(name, path=os.pathsep.join(others))


def _ssh(real: str, folder: Path, home: Path) -> str:
    """Return the script that starts ssh; a configuration that its caller names still counts.

    In the profile's own configuration, ``~`` and ``%d`` mean the profile's HOME.
    """
    keys = home / ".ssh"
    files = [str(keys / name) for name in _KEYS]
    known = f"{keys}/known_hosts {keys}/known_hosts2"
    here = f"s#~/#{home}/#g;s#%d#{home}#g"
    defaults = ["Host *", *(f'IdentityFile "{file}"' for file in files)]
    defaults.append(f'UserKnownHostsFile "{keys}/known_hosts" "{keys}/known_hosts2"')
    if _believed(_SYSTEMS):
        defaults.append(f"Include {_SYSTEMS}")
    options = [f"-oUserKnownHostsFile={known}", *(f"-oIdentityFile={file}" for file in files)]
    return (
        f"keys={shlex.quote(str(keys))} made={shlex.quote(str(folder / 'ssh_config'))}\n"
        f"{_unless_named(shlex.join([real, *options]))}"
        'umask 077; [ -d "$keys" ] || mkdir -p "$keys"\n'
        "{\n"
        f'    [ -r "$keys/config" ] && sed -e {shlex.quote(here)} "$keys/config"\n'
        f"    printf '%s\\n' '' {shlex.join(defaults)}\n"
        '} >"$made.$$" && mv "$made.$$" "$made" || exit 255\n'
        f'exec {shlex.quote(real)} -F "$made" "$@"\n'
    )


def _unless_named(command: str) -> str:
    """Return the lines that run ``command`` if the caller of ssh names a configuration."""
    return (
        f"while getopts {_OPTIONS} option 2>/dev/null; do\n"
        f'    [ "$option" = F ] && exec {command} "$@"\n'
        "done\n"
    )


def _accounts_ssh(real: str, _folder: Path, home: Path) -> str:
    """Return the script that starts ssh with the account's files, without the system's settings."""
    with contextlib.suppress(KeyError):  # ssh itself will say that it does not know its user
        home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    config, command = shlex.quote(str(home / ".ssh" / "config")), shlex.quote(real)
    return (
        f"{_unless_named(command)}"
        f'[ -r {config} ] && exec {command} -F {config} "$@"\n'
        f'exec {command} -F /dev/null "$@"\n'
    )


def _believed(path: Path) -> bool:
    """Say whether ssh accepts a configuration: its owner must be root or the user.

    In an ordinary user's sandbox, no file belongs to root.
    """
    try:
        return path.stat().st_uid in {0, os.getuid()}
    except OSError:
        return False


def _copy(real: str, folder: Path, _home: Path) -> str:
    return f'exec {shlex.quote(real)} -S {shlex.quote(str(folder / "ssh"))} "$@"\n'


def _add(real: str, _folder: Path, home: Path) -> str:
    """Return the script that adds keys to an agent; without a named key, the profile's keys."""
    files = " ".join(shlex.quote(str(home / ".ssh" / name)) for name in _KEYS)
    return (
        f'if [ $# -eq 0 ]; then for key in {files}; do [ -r "$key" ] && set -- "$@" "$key"; done\n'
        '    [ $# -eq 0 ] && echo "the profile has no ssh keys" >&2 && exit 1\nfi\n'
        f'exec {shlex.quote(real)} "$@"\n'
    )
