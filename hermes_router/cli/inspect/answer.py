"""Who would answer a message in a place: by the route table, the profile and Hermes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from hermes_router.base.errors import nearest
from hermes_router.cli import status
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.findings import say_finding
from hermes_router.cli.inspect.homes import environment_of, hermes_installed
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.cli.inspect.profile.profile_facts import ProfileFacts, worker_names
from hermes_router.cli.terminal.output import (
    complain,
    one_line,
    paint,
    say,
    say_fields,
    say_prose,
)
from hermes_router.config.model import Decision
from hermes_router.config.settings import Sandbox, Settings
from hermes_router.profiles import model
from hermes_router.routing.explain import Explanation, explain
from hermes_router.routing.table import Place
from hermes_router.routing.unreachable import PLATFORMS
from hermes_router.workers.worker_log import FILE_NAME


class Answer:
    """Who would answer in one place, and why, and what the profile's worker would get.

    ``test-route`` shows it, and ``--say`` starts from it.
    """

    def __init__(self, loaded: Loaded, place: Place) -> None:
        self.loaded = loaded
        self.place = place
        self.explanation: Explanation | None = None
        self.decision: Decision | None = None
        self.settings = Settings()
        self.profile: ProfileFacts | None = None
        if loaded.config is not None:
            self.explanation = explain(loaded.config.table, place)
            self.decision = loaded.config.decide(place)
            if self.decision.action == "worker" and self.decision.profile:
                self.settings = loaded.config.settings(self.decision.profile)
                self.profile = loaded.look_at(self.decision.profile)

    @property
    def outcome(self) -> str:
        """One word for who answers: :attr:`by_table`, or ``without_router``.

        The latter means that the running gateway does not route by the table. It is used only if
        that gateway was asked, and for places that the router would decide.
        """
        by_table = self.by_table
        decides = by_table in {"worker", "in_process", "denied"}
        without = self.loaded.serving.state == "without-router"
        return "without_router" if decides and without else by_table

    @property
    def by_table(self) -> str:
        """One word for who answers by the table: a worker, Hermes in the gateway, or nobody.

        The words are ``worker``, ``in_process``, ``unmatched``, ``denied``, ``unusable`` and
        ``config_error``.
        """
        if self.decision is None:
            return "config_error"
        if self.decision.action == "worker":
            return "worker" if self.profile is None or self.profile.usable else "unusable"
        if self.decision.action == "deny":
            return "denied"
        return "in_process" if self.decision.match else "unmatched"

    @property
    def starts_worker(self) -> bool:
        """True if a message here would start a worker, also one that has no model to ask."""
        routed = self.by_table in {"worker", "unusable"}
        return routed and (self.profile is None or self.profile.starts)

    @property
    def status(self) -> int:
        """The exit status of ``test-route`` that stands for :attr:`outcome`."""
        return _STATUSES[self.outcome]

    @property
    def unmatched_policy(self) -> str | None:
        """``default``, ``deny`` or a profile: who answers on this platform without a route.

        None if the configuration is broken.
        """
        config = self.loaded.config
        return config.unmatched.policy(self.place.platform) if config else None

    # -- JSON ----------------------------------------------------------------------------------

    def fields(self, said: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the answer as docs/cli.md describes it; ``said`` is the result of ``--say``."""
        match = self.decision.match if self.decision else None
        explanation = self.explanation
        return {
            "schema": 1,
            "command": "test-route",
            "outcome": self.outcome,
            "exit_status": said["exit_status"] if said else self.status,
            "place": {name: getattr(self.place, name) for name in Place.__struct_fields__},
            "profile": self._answering_profile(),
            "route": loading.route_fields(match.route) if match else None,
            "via_parent": match.via_parent if match else False,
            "unmatched_policy": self.unmatched_policy,
            "candidates": [
                {
                    "outcome": candidate.outcome,
                    "reason": candidate.reason,
                    "requires": list(candidate.route.requires),
                    "route": loading.route_fields(candidate.route),
                }
                for candidate in (explanation.candidates if explanation else ())
            ],
            "candidates_omitted": explanation.omitted if explanation else 0,
            "worker": self._worker(),
            "findings": [f.fields() for f in (self.profile.findings if self.profile else ())],
            "config": self.loaded.described(),
            "problems": [loading.problem_fields(problem) for problem in self.loaded.problems],
            "unknown": self.unknown(),
            "say": said,
        }

    def _answering_profile(self) -> str | None:
        if self.decision is None or self.decision.action == "deny":
            return None
        return self.decision.profile or self.loaded.home.profile

    def _worker(self) -> dict[str, Any] | None:
        facts = self.profile
        if facts is None or facts.profile is None:
            return None
        started_with, source = self.started_with()
        settings = self.settings
        # Other launchers ignore the sandbox settings.
        sandboxed = settings.sandbox if settings.launcher == "bubblewrap" else Sandbox()
        return {
            "home": str(facts.profile.home),
            "HOME": str(facts.profile.tool_home),
            "cwd": str(facts.cwd) if facts.cwd else None,
            "launcher": settings.launcher,
            "warm": settings.warm.enabled,
            "model": facts.model,
            "provider": facts.provider,
            "key_from": list(facts.key_from),
            "environment": list(worker_names(facts.profile, settings, started_with)),
            "environment_from": source,
            "dotenv": list(facts.dotenv),
            "passed": list(settings.env.names),
            "share": list(settings.share),
            "binds": [{"path": bind.path, "mode": bind.mode} for bind in sandboxed.binds],
            "network": sandboxed.online,
            "deliver": settings.deliver
            if isinstance(settings.deliver, str)
            else list(settings.deliver),
            "log": str(facts.profile.logs / FILE_NAME),
            "own_gateway_pid": facts.gateway,
        }

    def started_with(self) -> tuple[Mapping[str, str], str]:
        """Return the environment from which workers take variables, and in words whose it is.

        It is that of the running gateway, if it can be read, else that of this process.
        """
        gateway = self.loaded.gateway
        started_with = environment_of(gateway) if gateway is not None else {}
        source = f"gateway {gateway}" if started_with else "this shell"
        return started_with or model.initial_environment(self.loaded.home.path), source

    def unknown(self) -> list[str]:
        """Return sentences about what the command cannot find out, for example without a sender."""
        unknown = []
        if not hermes_installed():
            unknown.append(
                "Hermes is not installed in this Python: the command cannot say whether Hermes "
                "knows the platform, and which model it uses if the profile names none"
            )
        if self.place.user_id is None and self._has_sender_routes():
            unknown.append("the sender is not known, and some routes name one; add --user ID")
        return unknown

    def _has_sender_routes(self) -> bool:
        routes = self.loaded.config.table.routes if self.loaded.config else ()
        platform = self.place.platform
        return any(route.user_id and route.platform == platform for route in routes)

    # -- for people ----------------------------------------------------------------------------

    def show(self, *, why: bool = False) -> None:
        """Print who answers, by which route, and whether the gateway runs with the same routes.

        With ``why`` also print the routes near the place and what a worker would get. If the
        configuration is broken, print its errors on standard error instead.
        """
        if self.loaded.error is not None:
            complain(self.loaded.error)
            return
        self.show_decision()
        self._show_gateway()
        for sentence in self.unknown():
            say_prose(paint("note: ", "dim"), sentence)
        if why:
            self._show_why()
        else:
            self.show_errors()

    def _show_gateway(self) -> None:
        serving = self.loaded.serving
        say_fields([("gateway", serving.what), ("", serving.mend)], prose=True)

    def _show_why(self) -> None:
        self._show_candidates()
        self._show_worker()
        for finding in self.profile.findings if self.profile else ():
            say_finding(finding)
        if self.profile is not None and self.loaded.gateway is None:
            say_prose(paint("note: ", "dim"), _SHELLS)

    def show_errors(self) -> None:
        """Print why the profile that would answer cannot, and what to do."""
        for finding in self.profile.errors if self.profile else ():
            say_finding(finding)

    def show_decision(self) -> None:
        """Print who answers, and by which route."""
        match = self.decision.match if self.decision else None
        headline = _HEADLINES[self.by_table].format(profile=self._answering_profile())
        if self.loaded.serving.state == "without-router":
            headline = f"{_WITHOUT_ROUTER}; with the router: {headline}"
        say(paint(headline, "bold"))
        if match is not None:
            via = ", matched by its parent chat" if match.via_parent else ""
            where = f"{match.route.where} ({match.route.path})"
            by = f"{match.route.label} -> {match.route.profile}{via}, {where}"
            say_fields([("route", by)], prose=True)
            return
        say_fields([("no route", f"unmatched: {self.unmatched_policy}")])
        platforms = {route.platform for route in self.loaded.usable_config().table.routes}
        platform = self.place.platform
        if platforms and platform not in platforms:
            other = _other(platform, platforms)
            say_prose("  ", f"no route names the platform {platform!r}: {other}")

    def _show_candidates(self) -> None:
        explanation = self.explanation
        if explanation is None or not explanation.candidates:
            return
        say("\ncandidates, the nearest first")
        for candidate in explanation.candidates:
            route = candidate.route
            style = "green" if candidate.outcome == "won" else "dim"
            requires = ", ".join(route.requires) or "nothing else"
            told = one_line(f"{route.label} -> {route.profile}")
            say(f"  {paint(candidate.outcome.ljust(9), style)}  {told}")
            say(f"             requires {route.platform}, {requires} ({route.where})")
            say(f"             {candidate.reason}")
        if explanation.omitted:
            say(f"  and {explanation.omitted} more")

    def _show_worker(self) -> None:
        worker = self._worker()
        if worker is None:
            return
        deliver = worker["deliver"]
        say("\na worker would get")
        say_fields(
            [
                ("home", worker["home"]),
                ("HOME", worker["HOME"]),
                ("cwd", worker["cwd"] or "the profile's remote terminal decides"),
                ("launcher", worker["launcher"] + (", kept warm" if worker["warm"] else "")),
                ("model", worker["model"] or "none chosen"),
                ("provider", worker["provider"] or "chosen by Hermes"),
                ("key", ", ".join(worker["key_from"]) or "none found"),
                ("variables", ", ".join(worker["environment"])),
                ("from .env", ", ".join(worker["dotenv"]) or "none"),
                ("passed", self._passed(worker)),
                ("shared", ", ".join(worker["share"]) or "nothing"),
                ("binds", ", ".join(f"{b['path']} ({b['mode']})" for b in worker["binds"])),
                ("network", "" if worker["network"] else "none: the worker cannot reach its model"),
                ("delivers to", deliver if isinstance(deliver, str) else ", ".join(deliver)),
                ("log", worker["log"]),
            ]
        )
        say()

    def _passed(self, worker: dict[str, Any]) -> str:
        there = self.started_with()[0]
        names = [n if n in there else f"{n} (not set there)" for n in worker["passed"]]
        return ", ".join(names) or "nothing"


_SHELLS = (
    "no gateway is running: the variable names are those of this shell; a worker gets those "
    "that the gateway was started with"
)
#: The exit status for each outcome.
_STATUSES = {
    "worker": status.OK,
    "in_process": status.OK,
    "unmatched": status.NEGATIVE,
    "without_router": status.NEGATIVE,
    "denied": status.NEGATIVE,
    "config_error": status.WRONG,
    "unusable": status.UNUSABLE,
}
_WITHOUT_ROUTER = "not routed: the running gateway is without the router"
_HEADLINES = {
    "worker": "answered by a worker of profile {profile}",
    "in_process": "answered by the gateway itself, profile {profile}, by a route",
    "unmatched": "unmatched: answered by the gateway itself, profile {profile}",
    "denied": "unmatched: denied, nobody answers",
    "unusable": "routed to profile {profile}, which cannot be used: the sender gets a notice",
}


def _other(asked: str, routed: set[str]) -> str:
    """Return a hint that names what the routes have instead, or the platform that was meant."""
    slips = [name for name in sorted(routed - PLATFORMS) if asked in PLATFORMS]
    for name in difflib.get_close_matches(asked, slips, n=1):
        return f"the routes name the platform {name!r}, which no Hermes has; check its spelling"
    return nearest(asked, routed).replace("allowed:", "routes exist for:")
