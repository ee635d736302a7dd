"""Find the router's parts of the gateway home's ``config.yaml``, and read them.

Routes may be in four places. ``gateway.profile_routes`` and top-level ``profile_routes`` hold them
in any form of :mod:`hermes_router.config.routes`. ``topic_profiles`` may be in a platform's
section: at the top level, under ``gateway`` or under ``platforms``, there or in its ``extra``. The
file that ``hermes_router.routes_file`` names holds what ``profile_routes`` holds. All routes count
together. In Hermes, a top-level list hides the nested one; here both count.

The router's own settings are the top-level block ``hermes_router``. The rest of the file is
Hermes's and is not checked, except for keys that are nearly one of these names.
"""

from __future__ import annotations

import difflib
from collections.abc import Container
from collections.abc import Mapping as MappingOf
from pathlib import Path
from types import MappingProxyType

import msgspec

from hermes_router.base.errors import ConfigError, Problem, nearest
from hermes_router.config.diagnostics import Report, describe
from hermes_router.config.routes import TOPICS, RouteReader
from hermes_router.config.settings import Metrics, Schedule, Settings, TurnBudget, WarmBudget, apply
from hermes_router.config.yaml import Mapping, Node, Scalar, kind, parse
from hermes_router.config.yaml import load as load_yaml
from hermes_router.routing.table import Route

BLOCK = "hermes_router"
ROUTES = "profile_routes"
BLOCK_KEYS = (
    "unmatched",
    "missing_profile",
    "routes_file",
    "warm_budget",
    "turn_budget",
    "metrics",
    "schedule",
    "defaults",
    "profiles",
)


class Unmatched(msgspec.Struct, frozen=True):
    """What happens to messages without a route: ``default``, ``deny`` or a profile's name.

    ``default`` means that Hermes answers in the gateway process. A profile with the name ``deny``,
    and the root profile if the gateway runs as another profile, can only be reached by a route.
    """

    default: str = "default"
    platforms: MappingOf[str, str] = MappingProxyType({})

    def policy(self, platform: str) -> str:
        """Return ``default``, ``deny`` or a profile's name: who answers without a route."""
        return self.platforms.get(platform, self.default)


#: Words that people write for "nobody"; each would be read as a profile's name.
_NOBODY = frozenset({"", "none", "null", "off", "no", "false", "ignore"})


class ConfigReader:
    """Reads a configuration once: call :meth:`read`, then use the attributes.

    With ``text``, that is read as if it were the content of the file ``path``.
    ``policies`` and ``profile_places`` say where the file names a profile outside routes: each
    place is a ``Problem`` without a message.
    """

    def __init__(
        self,
        path: Path,
        known_platforms: Container[str] | None = None,
        text: str | None = None,
    ) -> None:
        self.files = [path]
        self.unmatched = Unmatched()
        self.routes_file: Path | None = None
        self.defaults = Settings()
        self.warm_budget = WarmBudget()
        self.turn_budget = TurnBudget()
        self.metrics = Metrics()
        self.schedule = Schedule()
        self.profiles: dict[str, Settings] = {}
        self.policies: list[tuple[str, Problem]] = []
        self.profile_places: dict[str, Problem] = {}
        self._path = path
        self._text = text
        self._known = known_platforms
        self._report = Report(str(path))
        self._main = RouteReader(self._report, known_platforms)
        self._readers = [self._main]

    @property
    def routes(self) -> list[Route]:
        """All routes, in the order in which they were read."""
        return [route for reader in self._readers for route in reader.routes]

    @property
    def problems(self) -> list[Problem]:
        """All problems of all files."""
        return [problem for reader in self._readers for problem in reader.report.problems]

    def read(self) -> None:
        """Read the file and the routes file that it names; this never raises for a broken file.

        What is wrong is in ``problems``. A missing ``config.yaml`` counts as empty. Call it once.
        """
        try:
            root = self._document()
        except FileNotFoundError:
            return
        except ConfigError as error:
            self._report.problems.extend(error.problems)
            return
        mapping = self._report.mapping(root, "") if root is not None else None
        if mapping is not None:
            self._root(mapping)

    def _document(self) -> Node | None:
        if self._text is None:
            return load_yaml(self._path)
        return parse(self._text.encode(), str(self._path))

    def _root(self, root: Mapping) -> None:
        for key, node in self._report.entries(root, ""):
            if key.text == "gateway":
                self._gateway(node)
            elif key.text == BLOCK:
                self._block(node)
            else:
                self._section(key, node, "", (ROUTES, BLOCK))

    def _gateway(self, node: Node) -> None:
        for key, value in self._entries(node, "gateway"):
            if key.text == BLOCK:
                hint = "write it at the top level of the file"
                self._report.add(key, "gateway", f"misplaced key {BLOCK!r}", hint=hint)
            else:
                self._section(key, value, "gateway.", (ROUTES,))

    def _section(self, key: Scalar, node: Node, prefix: str, words: tuple[str, ...]) -> None:
        path = f"{prefix}{key.text}"
        if key.text == ROUTES:
            self._main.read(node, path)
        elif key.text == "platforms":
            for platform, value in self._entries(node, path, judge=False):
                self._platform(platform.text, value, f"{path}.{platform.text}")
        else:
            self._misspelt(key, path, words, cutoff=0.86)
            self._platform(key.text, node, path)

    def _platform(self, platform: str, node: Node, path: str) -> None:
        """Read ``topic_profiles`` of a section that may be a platform's."""
        for key, value in self._entries(node, path, judge=False):
            if key.text == "extra":
                self._platform(platform, value, f"{path}.extra")
            elif key.text == TOPICS:
                self._main.read_topics(platform.strip().lower(), value, f"{path}.{TOPICS}")
            else:
                self._misspelt(key, f"{path}.{key.text}", (TOPICS,), cutoff=0.93)

    def _entries(self, node: Node, path: str, *, judge: bool = True) -> list[tuple[Scalar, Node]]:
        """Return a section's entries.

        With *judge*, duplicate keys are recorded as problems. Without *judge*, they are recorded
        only if ``topic_profiles`` is among them.
        """
        if not isinstance(node, Mapping):
            return []
        ours = judge or any(later.text == TOPICS for _, later in node.duplicates)
        return list(self._report.entries(node, path) if ours else node.entries)

    def _misspelt(self, key: Scalar, path: str, words: tuple[str, ...], *, cutoff: float) -> None:
        if difflib.get_close_matches(key.text.lower(), words, n=1, cutoff=cutoff):
            message = f"unknown key {key.text!r}, which Hermes and the router do not read"
            self._report.add(key, path, message, hint=nearest(key.text, words), code="unknown-key")

    def _block(self, node: Node) -> None:
        mapping = self._report.mapping(node, BLOCK)
        entries = list(self._report.entries(mapping, BLOCK)) if mapping else []
        # the defaults first, wherever they are written: profiles build on them
        for key, value in sorted(entries, key=lambda entry: entry[0].text != "defaults"):
            self._setting(key, value, f"{BLOCK}.{key.text}")

    def _setting(self, key: Scalar, node: Node, path: str) -> None:
        if key.text == "unmatched":
            self._read_unmatched(node, path)
        elif key.text == "missing_profile":
            self._missing_profile(node, path)
        elif key.text == "routes_file":
            self._read_routes_file(node, path)
        elif key.text == "warm_budget":
            self.warm_budget = apply(self._report, self.warm_budget, node, path)
        elif key.text == "turn_budget":
            self.turn_budget = apply(self._report, self.turn_budget, node, path)
        elif key.text == "metrics":
            self.metrics = apply(self._report, self.metrics, node, path)
        elif key.text == "schedule":
            self.schedule = apply(self._report, self.schedule, node, path)
        elif key.text == "defaults":
            self.defaults = apply(self._report, self.defaults, node, path)
        elif key.text == "profiles":
            self._read_profiles(node, path)
        else:
            self._report.unknown_key(key, BLOCK, BLOCK_KEYS)

    def _read_unmatched(self, node: Node, path: str) -> None:
        if not isinstance(node, Mapping):
            self.unmatched = Unmatched(self._policy(node, path))
            return
        policies: dict[str, str] = {}
        for key, value in self._report.entries(node, path):
            name = "default" if key.text == "default" else self._main.platform(key, path)
            if name is not None:
                policies[name] = self._policy(value, f"{path}.{key.text}")
        default = policies.pop("default", "default")
        self.unmatched = Unmatched(default, MappingProxyType(policies))

    def _policy(self, node: Node, path: str) -> str:
        word = node.text.strip().lower() if isinstance(node, Scalar) else ""
        if word in _NOBODY:
            hint = "deny: nobody answers; default: Hermes answers; or a profile's name"
            message = f"{word or 'nothing'!r} is not a policy"
            self._report.add(node, path, message, hint=hint, code="policy")
            return "deny"
        policy = self._report.profile(node, path)
        if policy is None:
            return "default"
        self.policies.append((policy, self._place(node, path)))
        return policy

    def _place(self, node: Node, path: str) -> Problem:
        file = self._report.file
        return Problem(file=file, line=node.line, column=node.column, path=path, message="")

    def _missing_profile(self, node: Node, path: str) -> None:
        if not (isinstance(node, Scalar) and node.text == "notice"):
            hint = "allowed: notice (another profile never answers instead)"
            self._report.add(node, path, f"unknown policy: {describe(node)}", hint=hint)

    def _read_profiles(self, node: Node, path: str) -> None:
        mapping = self._report.mapping(node, path)
        for key, value in self._report.entries(mapping, path) if mapping else ():
            name = self._report.profile(key, f"{path}.{key.text}")
            if name is None:
                continue
            if name in self.profiles:
                message = f"{key.text!r} is another spelling of the profile {name!r} above"
                self._report.add(key, path, message, hint="join them", code="duplicate-key")
            self.profiles[name] = apply(self._report, self.defaults, value, f"{path}.{name}")
            self.profile_places[name] = self._place(key, f"{path}.{name}")

    def _read_routes_file(self, node: Node, path: str) -> None:
        if not isinstance(node, Scalar) or kind(node) != "str" or not node.text.strip():
            message = f"must be a path, not {describe(node)}"
            self._report.add(node, path, message, hint="relative to this file", code="type")
            return
        file = self._resolved(node.text.strip())
        self.routes_file = file
        self.files.append(file)
        try:
            root = load_yaml(file)
        except FileNotFoundError:
            self._report.add(node, path, f"there is no file {file}", code="missing-file")
        except ConfigError as error:
            self._unreadable(error, node, path)
        else:
            self._routes_document(root, file)

    def _unreadable(self, error: ConfigError, node: Node, path: str) -> None:
        for problem in error.problems:
            if problem.line:
                self._report.problems.append(problem)
            else:
                self._report.add(node, path, f"{problem.file} {problem.message}", code=problem.code)

    def _resolved(self, text: str) -> Path:
        try:
            named = Path(text).expanduser()
        except RuntimeError:  # "~nobody"
            named = Path(text)
        return self._path.parent / named

    def _routes_document(self, root: Node | None, file: Path) -> None:
        reader = RouteReader(Report(str(file)), self._known)
        self._readers.append(reader)
        if root is None:
            hint = "write [] for no routes"
            start = Scalar("", plain=True, tag=None, line=1, column=1)
            reader.report.add(start, "", "the routes file is empty", hint=hint, code="empty-file")
        elif isinstance(root, Mapping) and root.key(ROUTES) is not None:
            self._wrapped_routes(reader, root)
        else:
            reader.read(root, "routes")

    def _wrapped_routes(self, reader: RouteReader, root: Mapping) -> None:
        for key, value in reader.report.entries(root, ""):
            if key.text == ROUTES:
                reader.read(value, ROUTES)
            else:
                reader.report.unknown_key(key, "", (ROUTES,))
