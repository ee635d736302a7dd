"""The commands that act on one Hermes home, as a person writes them in a shell of their own."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec

from hermes_router.profiles import model

#: The command that restarts the gateway which a plain ``hermes`` means.
RESTART = "hermes gateway restart"


class Commands(msgspec.Struct, frozen=True, kw_only=True):
    """Builds commands that act on the Hermes home ``home``.

    With ``names_root``, a plain ``hermes`` would act on another root, so that each command names
    this one. With ``names_home``, a plain ``hermes-router`` would act on another home. With
    ``in_hermes``, people have our command only as ``hermes router``.
    """

    home: Path
    names_root: bool
    names_home: bool
    in_hermes: bool = False

    def hermes(self, words: str, profile: str | None = None) -> str:
        """Return the ``hermes`` command that acts on a profile here, by default the home's own."""
        root = model.hermes_root(self.home)
        name = model.profile_name_of(self.home) if profile is None else profile
        which = "" if name == "default" else f"-p {shlex.quote(name)} "
        named = f"HERMES_HOME={shlex.quote(str(root))} " if self.names_root else ""
        return f"{named}hermes {which}{words}"

    def router(self, words: str) -> str:
        """Return the ``hermes-router`` command that acts on this home."""
        if self.in_hermes:
            return self.hermes(f"router {words}")
        named = f" --home {shlex.quote(str(self.home))}" if self.names_home else ""
        return f"hermes-router {words}{named}"

    @property
    def restart(self) -> str:
        """The command that restarts this home's gateway."""
        return self.hermes("gateway restart")


def of_running(home: Path, *, in_hermes: bool = False) -> Commands:
    """Return the commands for the gateway on ``home`` that runs in this process, for its notices.

    A person's shell knows nothing of this process's environment: there a plain command acts on
    ``~/.hermes``.
    """
    try:
        native = (Path.home() / ".hermes").resolve()
    except RuntimeError:  # in a container our user may have no entry, and no HOME
        native = None
    return Commands(
        home=home,
        names_root=model.hermes_root(home).resolve() != native,
        names_home=home.resolve() != native,
        in_hermes=in_hermes,
    )
