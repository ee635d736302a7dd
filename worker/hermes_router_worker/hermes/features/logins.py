"""Whose logins a worker uses: its profile's own, and the root's only where that is configured.

Hermes falls back to the logins of its root home (``auth.json``, and the token store that all its
profiles share) for a provider that a profile is not logged in with. Under the router that is off
unless the profile's ``share`` names ``auth``. Shared, all of it is Hermes's own: it refreshes a
token under the lock of the file that the token came from.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermes_router.protocol.files.logins import logged_in

logger = logging.getLogger(__name__)

_SHARED_STORE = "HERMES_SHARED_AUTH_DIR"
_FALL_BACK = "_global_auth_file_path"
_PROVIDER_ERROR = "_gateway_provider_error_reply"


def keep_own(profile: str) -> None:
    """Use the profile's own logins only. After Hermes is imported, before a login is looked up.

    Raises:
        RuntimeError: this Hermes falls back in a way that is not known here.
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
    """Have the chat told of the setting where a login is missing that the root has."""
    run: Any = importlib.import_module("gateway.run")
    reply = getattr(run, _PROVIDER_ERROR, None)
    if reply is None:  # an older Hermes shows the provider's own words, which say what to do
        return

    def with_setting(text: str, *args: Any, **kwargs: Any) -> str:
        shared = roots_file()
        withheld = (logged_in(shared) if shared else set()) - logged_in(home / "auth.json")
        if _configured_provider() not in withheld:
            return str(reply(text, *args, **kwargs))
        logger.error("no login for %s: %s", _configured_provider(), text)
        return (
            f"⚠️ Profile {profile!r} is not logged in with {_configured_provider()}, and the root's "
            f"login is not shared with it. Log it in (`hermes -p {profile} auth add "
            f"{_configured_provider()}`), or share the root's: "
            f"`hermes_router.profiles.{profile}.share: [auth]`."
        )

    setattr(run, _PROVIDER_ERROR, with_setting)


def _configured_provider() -> str:
    """Return the provider that the profile's configuration names."""
    model = importlib.import_module("hermes_cli.config").load_config().get("model")
    return str(model.get("provider") or "") if isinstance(model, dict) else ""
