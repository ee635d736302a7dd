"""What is known of a routed profile without starting anything, and what is wrong with it."""

from __future__ import annotations

import functools
import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.base.errors import ConfigError, ProfileError, closest
from hermes_router.cli.inspect.findings import Finding, Severity
from hermes_router.cli.inspect.homes import running_gateway
from hermes_router.cli.inspect.profile import model_keys, obstacles
from hermes_router.cli.inspect.profile.obstacles import Obstacle
from hermes_router.config.settings import Settings, is_platform_credential
from hermes_router.config.yaml import load, plain_value
from hermes_router.profiles import model as profiles
from hermes_router.profiles.env_file import dotenv_names
from hermes_router.profiles.model import Profile
from hermes_router.protocol.files.logins import logged_in
from hermes_router.workers import launchers
from hermes_router.workers.worker_log import FILE_NAME

# No regular expressions: compiling them would take most of test-route's time.
_MODEL_SECRETS = ("_KEY", "_TOKEN", "_SECRET")
_NO_CWD = frozenset({"", ".", "auto", "cwd"})
_LOCAL_HOSTS = ("localhost", "127.", "[::1]", "0.0.0.0", "host.docker.internal")  # noqa: S104 - not bound to
#: Checks whose errors let a worker start: only its turns fail, because no model answers.
_OF_MODEL = frozenset({"profile-key", "profile-model"})
#: Providers whose models are those of the user's own server or account: Hermes has no default.
_WITHOUT_DEFAULT_MODEL = frozenset({"azure-foundry", "custom", "ollama", "vllm"})


class ProfileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A profile as a worker would find it.

    ``profile`` is None if there is no such profile. ``key_from`` names the places that may hold a
    key for the model. ``dotenv`` are the names that the profile's ``.env`` sets. ``findings`` holds
    only what is not fine.
    """

    name: str
    profile: Profile | None
    model: str | None = None
    provider: str | None = None
    key_from: tuple[str, ...] = ()
    cwd: Path | None = None
    dotenv: tuple[str, ...] = ()
    gateway: int | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def usable(self) -> bool:
        """True if a worker of this profile can serve, as far as can be seen from its files."""
        return not self.errors

    @property
    def starts(self) -> bool:
        """True if a worker of this profile can start, although it may have no model to ask."""
        return all(finding.check in _OF_MODEL for finding in self.errors)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings for which the profile cannot serve."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


def _plain(profile: str, words: str) -> str:
    return f"hermes {words}" if profile == "default" else f"hermes -p {profile} {words}"


def look_at(
    name: str, root: Path, settings: Settings, hermes: Callable[[str, str], str] = _plain
) -> ProfileFacts:
    """Return the facts about the profile ``name`` of a Hermes root.

    ``hermes`` takes a command's words and a profile's name, and returns the full `hermes` command
    for that profile of the root.
    """
    try:
        return _Look(profiles.find(name, root), root, settings, hermes).facts()
    except PermissionError as error:
        closed = Finding(
            check="profile-private",
            severity="error",
            what="this user has no permission to read its home, so it was not checked",
            where=str(error.filename or root / "profiles" / name),
            mend="run this as the user that runs the gateway",
            profile=name,
        )
        return ProfileFacts(name=name, profile=None, findings=(closed,))
    except ProfileError as error:
        missing = Finding(
            check="profile-exists",
            severity="error",
            what=f"the profile {error.message}",
            where=error.where,
            mend=_mend(name, root, hermes("default", f"profile create {name} --clone")),
            profile=name,
        )
        return ProfileFacts(name=name, profile=None, findings=(missing,))


def _mend(name: str, root: Path, create: str) -> str:
    """Return how to fix a profile that does not exist, is a link, or has something else there."""
    home = root / "profiles" / name
    quoted = shlex.quote(str(home))
    if home.is_symlink():
        return f"rm {quoted}; {create}"
    if home.exists():
        return f"mv {quoted} {quoted}.left; {create}"
    return f"{guess(name, root)}{create}"


def guess(name: str, root: Path) -> str:
    """Return the first part of a hint before the command that creates a profile.

    It names the profile with the nearest name, if one is near, and is "" if none is.
    """
    close = closest(name, profiles.names(root))
    return f"{close}Or create it: " if close else ""


class _Look:
    def __init__(
        self,
        profile: Profile,
        root: Path,
        settings: Settings,
        hermes: Callable[[str, str], str],
    ) -> None:
        self._hermes = functools.partial(hermes, profile.name)
        self._profile = profile
        self._root = root
        self._settings = settings
        self._findings: list[Finding] = []
        config = self._config()
        self._is_readable = config is not None
        self._values = config or {}
        self._dotenv = dotenv_names(profile.home / ".env")

    def facts(self) -> ProfileFacts:
        name, home = self._profile.name, self._profile.home
        model, provider = self._model()
        key_from = tuple(self._keys())
        cwd = self._cwd()
        gateway = running_gateway(home)
        self._judge_launcher()
        if self._is_readable:  # else nothing is known of model and key
            self._judge_model(model, provider)
            self._judge_key(provider, key_from)
            self._judge_login(provider)
        self._judge_files()
        self._judge_tokens()
        if gateway is not None:
            what = f"the profile has a gateway of its own running, process {gateway}"
            why = (
                "both serve the profile; the bot that a message was sent to decides which "
                "one answers"
            )
            self._add("own-gateway", "info", what, str(home / "gateway.pid"), why)
        return ProfileFacts(
            name=name,
            profile=self._profile,
            model=model,
            provider=provider,
            key_from=key_from,
            cwd=cwd,
            dotenv=tuple(self._dotenv),
            gateway=gateway,
            findings=tuple(self._findings),
        )

    def _add(self, check: str, severity: Severity, what: str, where: str, mend: str = "") -> None:
        self._findings.append(
            Finding(
                check=check,
                severity=severity,
                what=what,
                where=where,
                mend=mend,
                profile=self._profile.name,
            )
        )

    # -- its configuration ---------------------------------------------------------------------

    def _config(self) -> Mapping[str, Any] | None:
        """Return the profile's configuration; None if it cannot be read, which is reported."""
        path = self._profile.home / "config.yaml"
        try:
            node = load(path)
        except FileNotFoundError:
            return {}
        except ConfigError as error:
            problem = error.problems[0]
            mend = problem.hint or "correct the file; Hermes ignores all of it"
            self._add("profile-config", "error", problem.message, problem.where, mend)
            return None
        values = plain_value(node) if node is not None else {}
        if isinstance(values, dict):
            return values
        what = "its configuration is not a mapping"
        self._add("profile-config", "error", what, str(path), "correct the file")
        return None

    def _model(self) -> tuple[str | None, str | None]:
        """Return the model and the provider, from where Hermes reads them."""
        section = self._values.get("model")
        if isinstance(section, str):
            return section or None, _text(self._values.get("provider"))
        if not isinstance(section, dict):
            return None, None
        named = (_model_name(section.get(key)) for key in ("default", "model", "name"))
        return next((name for name in named if name), None), _text(section.get("provider"))

    def _keys(self) -> Iterator[str]:
        """Yield places that may hold a key; only Hermes knows which one the provider uses."""
        home = self._profile.home
        for section in ("model", "providers", "custom_providers"):
            if model_keys.has_key(self._values.get(section), self._gets):
                yield f"{section} in config.yaml"
        for name, is_set in self._dotenv.items():
            if is_set and name.endswith(_MODEL_SECRETS) and not is_platform_credential(name):
                yield f"{name} in .env"
        for name in self._settings.env.names:
            if name.endswith(_MODEL_SECRETS) and not is_platform_credential(name):
                yield f"{name}, passed"
        if _filled(home / "auth.json"):
            yield "a login in auth.json"
        if "auth" in self._settings.share and home != self._root:
            yield "the root's logins, shared"

    def _gets(self, variable: str) -> bool:
        """Return True if a worker gets a value of a variable that the configuration names.

        So it may if a back end for secrets sets variables in the worker: the section ``secrets``.
        """
        passed = variable in self._settings.env.names
        return passed or self._dotenv.get(variable, False) or bool(self._values.get("secrets"))

    def _cwd(self) -> Path | None:
        """Return the working directory; None if only a remote terminal knows it."""
        terminal = self._values.get("terminal")
        terminal = terminal if isinstance(terminal, dict) else {}
        backend = _text(terminal.get("backend")) or "local"
        wanted = _text(terminal.get("cwd")) or ""
        if backend != "local" and wanted not in _NO_CWD:
            return None
        if wanted in _NO_CWD:
            return self._profile.workspace
        path = Path(self._expanded(wanted))
        if not path.is_dir():
            what = f"its working directory (terminal.cwd) {path} is not a folder"
            mend = f"create it; until then the worker starts in {self._profile.workspace}"
            self._add(
                "profile-workspace", "warning", what, str(self._profile.home / "config.yaml"), mend
            )
        return path

    def _expanded(self, text: str) -> str:
        text = text.replace("${HOME}", str(self._profile.tool_home))
        text = text.replace("${HERMES_HOME}", str(self._profile.home))
        if text == "~" or text.startswith("~/"):
            return str(self._profile.tool_home) + text[1:]
        return text

    def _judge_launcher(self) -> None:
        """Report a launcher that does not work here: no other launcher replaces it."""
        launcher = self._settings.launcher
        obstacle = launchers.check(launcher)
        if obstacle is not None:
            what = (
                f"its launcher {launcher} does not work here: its conversations get a notice only"
            )
            self._add("profile-launcher", "error", what, self._setting("launcher"), obstacle)

    def _judge_model(self, model: str | None, provider: str | None) -> None:
        """Report a profile without a model: for many providers, but not for all, Hermes takes one.

        If it knows no model of the provider, it sends an empty name. Most servers refuse that.
        """
        if model is not None:
            return
        severity: Severity = "warning"
        if not self._without_default(provider):
            what = (
                "no model is chosen: Hermes takes the first that it knows of the provider, or none"
            )
        elif _is_local(self._base_url()):
            what = (
                f"no model is chosen, and Hermes has no default for {provider}: only a server that "
                "ignores the model's name answers"
            )
        else:
            severity = "error"
            what = (
                f"no model is chosen, and Hermes has no default for {provider}: the provider "
                "refuses every turn"
            )
        where = str(self._profile.home / "config.yaml")
        self._add("profile-model", severity, what, where, self._hermes("model"))

    def _without_default(self, provider: str | None) -> bool:
        """Say whether Hermes certainly has no default model for a provider.

        The profile's own list of providers may name a model, so with such a list nothing is
        certain.
        """
        listed = self._values.get("providers") or self._values.get("custom_providers")
        return not listed and (provider or "").lower() in _WITHOUT_DEFAULT_MODEL

    def _base_url(self) -> str:
        section = self._values.get("model")
        return str(section.get("base_url") or "") if isinstance(section, dict) else ""

    def _judge_key(self, provider: str | None, key_from: tuple[str, ...]) -> None:
        """Report a profile without any key or login, unless its model is on this machine.

        A variable that should hold the key and is not set is reported there too.
        """
        unset = model_keys.unset(self._values, provider, self._gets)
        certain = not key_from and not _is_local(self._base_url())
        if unset is not None:
            file = self._profile.home / ".env"
            what = f"there is no key for its model: its config.yaml names {unset}, which is not set"
            mend = f"write {unset}=KEY into {file}"
            self._add("profile-key", "error" if certain else "warning", what, str(file), mend)
        elif certain:
            shared = ""
            if _filled(self._root / "auth.json"):
                shared = f"; or share the root's logins: {self._setting('share: [auth]')}"
            mend = f"{self._hermes('setup')}{shared}"
            what = "there is no key or login for its model"
            self._add("profile-key", "error", what, str(self._profile.home), mend)

    def _setting(self, rest: str) -> str:
        return f"hermes_router.profiles.{self._profile.name}.{rest}"

    def _judge_login(self, provider: str | None) -> None:
        """Report a provider whose login is only in the root: a worker does not get that login."""
        own, roots = (logged_in(home / "auth.json") for home in (self._profile.home, self._root))
        if "auth" in self._settings.share or provider not in roots - own:
            return
        what = (
            f"only the root is logged in with {provider}, and the root's login is not shared "
            "with the profile"
        )
        mend = f"{self._hermes(f'auth add {provider}')}; or {self._setting('share: [auth]')}"
        self._add("profile-login", "warning", what, str(self._root / "auth.json"), mend)

    # -- its files -----------------------------------------------------------------------------

    def _judge_files(self) -> None:
        profile = self._profile
        home, log = profile.home, profile.logs / FILE_NAME
        found: list[Obstacle] = []
        for folder in (home, profile.tool_home, profile.workspace, profile.logs):
            self._judge_obstacle(folder, obstacles.of_folder(folder, home), found)
        self._judge_log()
        if not log.is_symlink():
            self._judge_obstacle(log, obstacles.of_file(log, home), found)
        self._judge_permissions()

    def _judge_obstacle(self, path: Path, new: Obstacle | None, found: list[Obstacle]) -> None:
        """Report an obstacle and add it to ``found``, unless the fix of one in there covers it."""
        if new is None or any(new.is_removed_with(one) for one in found):
            return
        found.append(new)
        names = {self._profile.home: "home", self._profile.logs / FILE_NAME: "worker log"}
        what = f"its {names.get(path, f'folder {path.name!r}')} {new.what}"
        self._add("profile-writable", "error", what, str(path), new.mend)

    def _judge_permissions(self) -> None:
        """Report a home that other users may enter, and which secrets of it they may read.

        Below a closed folder nobody reads anything: to close the home is enough. A home that is a
        link lies elsewhere, and is not closed by the root.
        """
        home = self._profile.home
        mode = _mode(home)
        covered = not home.is_symlink() and _is_closed(profiles.hermes_root(home))
        if mode is None or _is_closed(home) or covered:
            return
        secrets = (".env", "auth.json", "config.yaml")
        readable = [name for name in secrets if (_mode(home / name) or 0) & 0o044]
        what = f"may read its {', '.join(readable)}" if readable else "may use it"
        self._add(
            "profile-permissions",
            "warning",
            f"other users of this machine {what}: its mode is {mode:04o} instead of 0700",
            str(home),
            f"chmod 700 {shlex.quote(str(home))}",
        )

    def _judge_log(self) -> None:
        """Report what makes the worker log impossible to open: the router follows no links."""
        log = self._profile.logs / FILE_NAME
        for path in (self._profile.logs, log):
            if path.is_symlink():
                what = "is a link, and the router writes no worker log through a link"
                self._add("profile-log", "error", what, str(path), f"rm {shlex.quote(str(path))}")

    def _judge_tokens(self) -> None:
        file = self._profile.home / ".env"
        found = [
            name for name, is_set in self._dotenv.items() if is_set and is_platform_credential(name)
        ]
        if found:
            what = f"its .env contains credentials of a chat platform: {', '.join(found)}"
            mend = "remove them: a worker does not need them, and its tools can read them"
            roots = self._root / ".env"
            if os.path.realpath(file) == os.path.realpath(roots):  # the bot needs them there
                own, one = shlex.quote(str(file)), shlex.quote(str(roots))
                what = f"its .env is the gateway's own, which contains {', '.join(found)}"
                mend = f"give it a file of its own: rm {own}; cp {one} {own}; then {mend}"
            self._add("platform-token", "warning", what, str(file), mend)


def worker_names(
    profile: Profile, settings: Settings, initial: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the names of the variables that a worker would be started with."""
    # Only the names are used: a real worker gets other values.
    environment = profiles.worker_environment(
        profile,
        worker_id="",
        tmpdir=Path(),
        initial=initial,
        passed=settings.env.names,
    )
    return tuple(sorted(environment))


def _is_local(url: str) -> bool:
    """Return whether a model's address is on this machine, where models mostly need no key."""
    return url.partition("://")[2].startswith(_LOCAL_HOSTS)


def _model_name(value: Any) -> str | None:
    """Return a model's name; Hermes also reads a mapping that pairs it with its provider."""
    if isinstance(value, dict):
        return _text(value.get("model")) or _text(value.get("default"))
    return _text(value)


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _filled(path: Path) -> bool:
    try:
        return path.stat().st_size > len("{}\n")
    except OSError:
        return False


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _is_closed(folder: Path) -> bool:
    """Return True if only its owner may enter a folder."""
    mode = _mode(folder)
    return mode is not None and not mode & 0o077
