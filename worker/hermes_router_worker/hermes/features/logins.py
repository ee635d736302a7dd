"""Which logins a worker uses: its profile's own, and the root's only if that is configured.

If a profile has no login with a provider, Hermes falls back to the logins of its root home:
``auth.json``, and the token store that all its profiles share. Under the router this is off unless
the profile's ``share`` names ``auth``. If it is shared, Hermes handles it all: it refreshes a token
under the lock of the file from which the token came.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermes_router.protocol.files.logins import logged_in
from hermes_router_worker.hermes import replacements

logger = logging.getLogger(__name__)

_SHARED_STORE = "HERMES_SHARED_AUTH_DIR"
_FALL_BACK = "_global_auth_file_path"
_NO_CREDENTIALS = "gateway.errors.no_credentials"
_HINT = (
    "⚠️ Profile {profile!r} is not logged in with {provider}, and the root's login is not shared "
    "with it. Log it in (`hermes -p {profile} auth add {provider}`), or share the root's: "
    "`hermes_router.profiles.{profile}.share: [auth]`."
)


def keep_own(profile: str) -> None:
    """Have Hermes in this process use only the profile's own logins, never the root's.

    Call it after Hermes is imported, before a login is used. If a login is missing that the root
    has, the reply names the setting that shares it.

    Raises:
        RuntimeError: this Hermes falls back in a way that is not known here; no worker may start.
    """
    auth: Any = importlib.import_module("hermes_cli.auth")
    roots_file: Callable[[], Path | None] | None = getattr(auth, _FALL_BACK, None)
    if roots_file is None:
        raise RuntimeError(
            f"this Hermes has no hermes_cli.auth.{_FALL_BACK}, by which a profile's worker is kept "
            f"from the root's logins; hermes_router.profiles.{profile}.share: [auth] allows them"
        )
    setattr(auth, _FALL_BACK, lambda: None)
    home = Path(os.environ["HERMES_HOME"])
    os.environ.setdefault(_SHARED_STORE, str(home / "shared"))
    _name_the_setting(profile, home, roots_file)


def _name_the_setting(profile: str, home: Path, roots_file: Callable[[], Path | None]) -> None:
    """Have replies name the setting if a login is missing that the root has."""

    def hint() -> str | None:
        shared = roots_file()
        withheld = (logged_in(shared) if shared else set()) - logged_in(home / "auth.json")
        provider = _configured_provider()
        return _HINT.format(profile=profile, provider=provider) if provider in withheld else None

    importlib.import_module("gateway.run")
    replacements.PROVIDER_ERROR.replace(functools.partial(_explained, hint))
    replacements.NO_CREDENTIALS.replace(functools.partial(_translated, hint))


def _explained(hint: Callable[[], str | None], reply: Callable[..., str]) -> Callable[..., str]:
    """Wrap the function that makes a reply from a provider's error."""

    def with_setting(text: str, *args: Any, **kwargs: Any) -> str:
        told = hint()
        if told is None:
            return reply(text, *args, **kwargs)
        logger.error("no login for %s: %s", _configured_provider(), text)
        return told

    return with_setting


def _translated(
    hint: Callable[[], str | None], translate: Callable[..., str]
) -> Callable[..., str]:
    """Wrap the function that looks up a turn's texts; newer Hermes has one for missing logins."""

    def with_setting(key: str, *args: Any, **kwargs: Any) -> str:
        told = hint() if key == _NO_CREDENTIALS else None
        return translate(key, *args, **kwargs) if told is None else told

    return with_setting


def _configured_provider() -> str:
    """Return the provider that the profile's configuration names."""
    model = importlib.import_module("hermes_cli.config").load_config().get("model")
    return str(model.get("provider") or "") if isinstance(model, dict) else ""
