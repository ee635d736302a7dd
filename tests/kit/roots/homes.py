"""Throw-away Hermes roots: `HermesRoot` writes what an installation with profiles looks like.

Nothing that runs in such a root reaches for a public address: measured with an audit hook on name
look-ups and connects in a gateway that answered messages, a tool call and `/model`: none. The
same in Hermes 0.19.0 and 0.22.2 with these switches off, and what the switch is:

- api.telegram.org: `platforms.telegram.extra.base_url` and `base_file_url` name the fake. An
  `extra.fallback_ips` with a public address keeps the adapter from asking DNS-over-HTTPS for some,
  and `HERMES_TELEGRAM_DISABLE_FALLBACK_IPS=1` from using it.
- github.com, at start (tirith, a command scanner, is downloaded): `security.tirith_enabled`.
- the package index, in the first turn (`pip install edge-tts` into the running environment):
  `HERMES_DISABLE_LAZY_INSTALLS=1`.
- pypi.org, soon after the start (0.22: are there newer plugins?):
  `plugins.auto_update_check_hours`.
- models.dev, by `/model`: not asked while `models_dev_cache.json` in the home is younger than
  an hour and not empty, so one with a made-up provider is written.
- hermes-agent.nousresearch.com and raw.githubusercontent.com, by `/model`:
  `model_catalog.enabled`.
- openrouter.ai (a model's context length): not asked when `model.context_length` is set.

Whatever else might try meets proxies that point to a closed local port; `NO_PROXY` exempts the
local servers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.kit.model.server import FakeModel
from tests.kit.roots import texts
from tests.kit.telegram.server import FakeTelegram
from tests.kit.telegram.types import USER

MARKER = "HERMES_ROUTER_KIT_ROOT"
"""Environment variable that marks every process started for a root; its value is the root."""

CLOSED_PROXY = "http://127.0.0.1:9"
DEFAULT_KEY = "key-of-default"
LOGIN_KEYS = ".ssh/authorized" + "_keys"
"""The keys with which one may log in. Hermes 0.20 takes a file that spells it out for an attack."""

FALLBACK_IP = "149.154.167.220"
"""Never contacted, but the list must hold one address that Hermes takes for Telegram's."""

NO_PROXY = f"127.0.0.1,localhost,api.telegram.org,{FALLBACK_IP}"
"""With a proxy for its public hosts, the Telegram adapter would send the fake's traffic there."""

PROFILE_DIRS = (
    *("memories", "sessions", "skills", "skins", "logs", "plans", "workspace", "cron", "home"),
)
PROFILE_ENV_HEAD = "# Secrets of this profile. `hermes profile create` writes a similar comment.\n"

Config = dict[str, Any]


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> Config:
    """Return `base` with `changes` merged in, mapping by mapping; None removes a key."""
    result = dict(base)
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = dict(value) if isinstance(value, Mapping) else value
    return result


@dataclass
class Home:
    """One Hermes home: the root's own (the default profile) or a named profile's."""

    name: str
    path: Path

    @property
    def config(self) -> Config:
        """The content of the home's config.yaml as a mapping, empty if there is no file."""
        path = self.path / "config.yaml"
        loaded = yaml.safe_load(path.read_text("utf-8")) if path.exists() else None
        return loaded or {}

    def configure(self, changes: Mapping[str, Any]) -> None:
        """Merge changes into its config.yaml; None removes a key."""
        text = yaml.safe_dump(merged(self.config, changes), sort_keys=False, allow_unicode=True)
        (self.path / "config.yaml").write_text(text, "utf-8")

    def env(self, values: Mapping[str, str]) -> None:
        """Set variables in its .env, keeping the others."""
        path = self.path / ".env"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        kept = [line for line in lines if line.split("=", 1)[0] not in values]
        added = [f"{name}={value}" for name, value in values.items()]
        path.write_text("\n".join(kept + added) + "\n", "utf-8")
        path.chmod(0o600)

    @contextmanager
    def without_key(self) -> Iterator[None]:
        """Have the home name a provider that wants a key, and no key, while the block runs."""
        dotenv, config = self.path / ".env", self.path / "config.yaml"
        files = {path: path.read_text("utf-8") for path in (dotenv, config)}
        dotenv.write_text("", "utf-8")
        no_key = {"provider": "anthropic", "api_key": None, "base_url": None}
        self.configure({"model": no_key})
        try:
            yield
        finally:
            for path, text in files.items():
                path.write_text(text, "utf-8")

    def add_plugin(self, name: str, source: str) -> Path:
        """Write a plugin of Hermes into the home, and enable it alone; return its folder."""
        folder = self.path / "plugins" / name
        folder.mkdir(parents=True)
        (folder / "plugin.yaml").write_text(
            f"name: {name}\nversion: 1.0.0\ndescription: a test's\n"
        )
        (folder / "__init__.py").write_text(source)
        self.configure({"plugins": {"enabled": [name]}})
        return folder

    def log(self, name: str = "agent.log") -> str:
        """Return one of its log files, empty when there is none."""
        path = self.path / "logs" / name
        return path.read_text("utf-8", "replace") if path.exists() else ""


class HermesRoot(Home):
    """A Hermes root in a folder of the test, ready for `Gateway`.

    `base/hermes` is the root, `base/home` the user's HOME, `base/xdg-*` the XDG folders and
    `base/tmp` the TMPDIR. The default profile answers with the model `kit-model` and the key
    `DEFAULT_KEY`; the user `USER` is allowed. With no home channel, Hermes precedes the first
    answer in each conversation with a notice about that.
    """

    def __init__(
        self,
        base: Path,
        telegram: FakeTelegram,
        model: FakeModel,
        *,
        token: str | None = None,
        home_channel: int | None = USER,
    ) -> None:
        base = base.resolve()
        super().__init__("default", base / "hermes")
        self.base = base
        self.telegram = telegram
        self.model = model
        self.token = token or telegram.token
        self.profiles: dict[str, Home] = {}
        self.extra_environ: dict[str, str] = {}
        """Added to `gateway_environ()`."""
        for folder in (self.path, *self._user_folders().values()):
            folder.mkdir(parents=True, exist_ok=True)
        self._user_folders()["XDG_RUNTIME_DIR"].chmod(0o700)
        self.configure(_quiet())
        self.configure(_model(model, "kit-model", DEFAULT_KEY))
        self.configure(_telegram(telegram, self.token, home_channel))
        self.env({"TELEGRAM_ALLOWED_USERS": str(USER)})
        _write_catalogue(self.path)

    def add_profile(
        self,
        name: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        env: Mapping[str, str] | None = None,
        soul: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Home:
        """Create a profile as `hermes profile create` would, with its own model and key.

        Defaults: model `model-of-<name>`, key `key-of-<name>`, which tell in each
        `ModelRequest` who asked.
        """
        home = Home(name, self.path / "profiles" / name)
        create_profile_layout(home.path, soul)
        home.configure(_quiet())
        key = api_key or f"key-of-{name}"
        home.configure(_model(self.model, model or f"model-of-{name}", key))
        home.configure(config or {})
        if env:
            home.env(env)
        _write_catalogue(home.path)
        self.profiles[name] = home
        return home

    def gateway_environ(self) -> dict[str, str]:
        """Return the whole environment to start a Hermes process with: nothing is inherited.

        Except PATH (with this interpreter's folder first), LANG and TZ.
        """
        scripts = str(Path(sys.executable).parent)
        inherited = {name: os.environ[name] for name in ("LANG", "TZ") if name in os.environ}
        proxies = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        return {
            **inherited,
            "PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)]),
            **{name: str(folder) for name, folder in self._user_folders().items()},
            "HERMES_HOME": str(self.path),
            MARKER: str(self.path),
            "HERMES_DISABLE_LAZY_INSTALLS": "1",
            "HERMES_TELEGRAM_DISABLE_FALLBACK_IPS": "1",
            "PYTHONUNBUFFERED": "1",
            **dict.fromkeys(proxies, CLOSED_PROXY),
            "NO_PROXY": NO_PROXY,
            **texts.environ(),
            **self.extra_environ,
        }

    def _user_folders(self) -> dict[str, Path]:
        return {
            "HOME": self.base / "home",
            "XDG_STATE_HOME": self.base / "xdg-state",
            "XDG_RUNTIME_DIR": self.base / "xdg-runtime",
            "XDG_CONFIG_HOME": self.base / "xdg-config",
            "XDG_CACHE_HOME": self.base / "xdg-cache",
            "XDG_DATA_HOME": self.base / "xdg-data",
            "TMPDIR": self.base / "tmp",
        }


def create_profile_layout(path: Path, soul: str | None = None) -> None:
    """Create the folders and files of a new profile, as `hermes profile create` leaves them."""
    for name in PROFILE_DIRS:
        (path / name).mkdir(parents=True, exist_ok=True)
    (path / "SOUL.md").write_text(soul or f"You are the test profile {path.name}.", "utf-8")
    secrets = path / ".env"
    secrets.write_text(PROFILE_ENV_HEAD, "utf-8")
    secrets.chmod(0o600)


def _model(server: FakeModel, name: str, api_key: str) -> Config:
    # With a context length Hermes asks no public catalogue for one.
    return {
        "model": {
            "default": name,
            "provider": "custom",
            "base_url": server.base_url,
            "api_key": api_key,
            "context_length": 200_000,
        }
    }


def _telegram(server: FakeTelegram, token: str, home_channel: int | None) -> Config:
    extra = {
        "base_url": server.base_url,
        "base_file_url": server.file_url,
        "fallback_ips": [FALLBACK_IP],
    }
    telegram: Config = {"enabled": True, "token": token, "extra": extra}
    if home_channel is not None:
        channel = {"platform": "telegram", "chat_id": str(home_channel), "name": "Home"}
        telegram["home_channel"] = channel
    return {"platforms": {"telegram": telegram}}


def _quiet() -> Config:
    """Return the settings of every home: no outbound traffic, no first-contact extras."""
    return {
        "security": {"tirith_enabled": False},
        "model_catalog": {"enabled": False},
        "onboarding": {"profile_build": "off"},
        "plugins": {"auto_update_check_hours": 0},
        # Each process would run pip and two Pythons to tell the model which of them there are.
        "agent": {"environment_probe": False},
        # Hermes 0.22 offers tools of plugins and servers by a search; tests look for their names.
        "tools": {"tool_search": {"enabled": "off"}},
    }


def _write_catalogue(home: Path) -> None:
    """Write a fresh model catalogue, so that Hermes does not fetch one for an hour."""
    (home / "models_dev_cache.json").write_text('{"kit": {"id": "kit", "models": {}}}', "utf-8")
