"""Write the router's figures as OpenMetrics text. The names are documented and do not change."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from hermes_router.observe.figures import BUCKETS, Figures, Histogram
from hermes_router.observe.status.messages import Status
from hermes_router.turns.story import OUTCOMES

_Labels = dict[str, str]
_Sample = tuple[str, _Labels, float]

_COUNTER = re.compile(r"# TYPE \S+ counter$")
#: The beginning of a line that describes a family, with the family's name.
_DESCRIBED = re.compile(r"^(?P<what># (?:TYPE|HELP) )(?P<name>\S+)")


def text(now: Status, figures: Figures) -> str:
    """Return all figures as OpenMetrics text; the last line ``# EOF`` marks that it is complete.

    ``now`` is the status of the gateway, from which the gauges are taken.
    """
    lines = [line for family in _families(now, figures) for line in family]
    return "\n".join([*lines, "# EOF", ""])


def classic(text: str) -> str:
    """Return OpenMetrics text in the older text format, which node exporter's collector reads.

    ``hermes-router metrics`` can write it to a file for that collector. In it the family of a
    counter has the name of its samples, ``..._total``, and units and the end are not marked.
    """
    lines = text.split("\n")
    counters = {line.split(" ")[2] for line in lines if _COUNTER.match(line)}
    return "\n".join(
        _DESCRIBED.sub(lambda found: _with_suffix(found, counters), line)
        for line in lines
        if line != "# EOF" and not line.startswith("# UNIT ")
    )


def _with_suffix(found: re.Match[str], counters: Collection[str]) -> str:
    name = found["name"]
    return f"{found['what']}{name}_total" if name in counters else found[0]


def _families(now: Status, figures: Figures) -> Iterator[Iterator[str]]:
    yield _family(
        "info",
        "gauge",
        "Versions of the running router, Hermes and Python.",
        [("", dict(now.versions), 1.0)],
    )
    yield _family(
        "uptime_seconds", "gauge", "Seconds since the router started.", [("", {}, now.uptime)]
    )
    yield _family("routes", "gauge", "Routes in force.", [("", {}, now.configuration.routes)])
    about = "1 if routing is closed: no router runs in the gateway."
    yield _family("routing_closed", "gauge", about, [("", {}, float(bool(now.routing_closed)))])
    broken = float(bool(now.configuration.error))
    about = "1 if the last edit of the configuration was refused."
    yield _family("configuration_refused", "gauge", about, [("", {}, broken)])
    yield _family(
        "turns",
        "counter",
        "Routed messages by outcome.",
        [
            ("_total", {"profile": profile, "outcome": outcome}, number)
            for (profile, outcome), number in _from_zero(figures.outcomes, now, OUTCOMES)
        ],
    )
    yield _family(
        "tokens",
        "counter",
        "Tokens that the models read and wrote.",
        [
            ("_total", {"profile": profile, "kind": kind}, number)
            for (profile, kind), number in _from_zero(figures.tokens, now, ("input", "output"))
        ],
    )
    yield _family(
        "phase_seconds",
        "histogram",
        "Seconds until a phase was reached; total is from the arrival to the answer.",
        _histograms(figures),
    )
    yield from _of_profiles(now)


def _from_zero(
    counted: Mapping[tuple[str, str], int], now: Status, labels: Iterable[str]
) -> list[tuple[tuple[str, str], int]]:
    """Return the counts by profile and label, with 0 for what did not happen yet.

    Prometheus sees no increase in a count whose first value is not 0.
    """
    zeros = dict.fromkeys(itertools.product((p.name for p in now.profiles), labels), 0)
    return sorted((zeros | dict(counted)).items())


def _of_profiles(now: Status) -> Iterator[Iterator[str]]:
    roles = [
        ("", {"profile": profile.name, "role": role}, float(len(found)))
        for profile in now.profiles
        for role in ("template", "ready", "busy", "resident", "leaving", "job")
        for found in [[worker for worker in profile.workers if worker.role == role]]
    ]
    yield _family("workers", "gauge", "Processes by role.", roles)
    yield _family(
        "memory_bytes",
        "gauge",
        "Anonymous memory of a profile's processes.",
        [
            ("", {"profile": profile.name}, float(sum(w.memory for w in profile.workers)))
            for profile in now.profiles
        ],
    )
    yield _family(
        "waiting",
        "gauge",
        "Messages that wait for a free turn.",
        [("", {"profile": profile.name}, len(profile.waiting)) for profile in now.profiles],
    )
    yield _family(
        "waiting_seconds",
        "gauge",
        "Seconds that the oldest waiting message has waited.",
        [
            ("", {"profile": profile.name}, max(profile.waiting, default=0.0))
            for profile in now.profiles
        ],
    )
    yield _family(
        "profile_usable",
        "gauge",
        "0 if the profile does not exist or cannot be used.",
        [("", {"profile": profile.name}, float(profile.usable)) for profile in now.profiles],
    )
    yield from _troubles(now)


def _troubles(now: Status) -> Iterator[Iterator[str]]:
    yield _family(
        "restarts",
        "counter",
        "Processes that ended unexpectedly, so that others replace them.",
        [
            ("_total", {"profile": profile.name}, profile.unexpected_ends)
            for profile in now.profiles
        ],
    )
    yield _family(
        "refused_calls",
        "counter",
        "Adapter calls of workers that the relay refused.",
        [("_total", {"profile": profile.name}, profile.refused_calls) for profile in now.profiles],
    )


def _histograms(figures: Figures) -> Iterator[_Sample]:
    for (profile, phase), histogram in sorted(figures.seconds.items()):
        yield from _histogram({"profile": profile, "phase": phase}, histogram)


def _histogram(labels: _Labels, histogram: Histogram) -> Iterator[_Sample]:
    bounds = [*map(str, BUCKETS), "+Inf"]
    for bound, count in zip(bounds, [*histogram.counts, histogram.count], strict=True):
        yield "_bucket", {**labels, "le": bound}, count
    yield "_count", labels, histogram.count
    yield "_sum", labels, round(histogram.sum, 3)


def _family(name: str, kind: str, about: str, samples: Iterable[_Sample]) -> Iterator[str]:
    full = f"hermes_router_{name}"
    yield f"# TYPE {full} {kind}"
    yield f"# HELP {full} {about}"
    for suffix, labels, value in samples:
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        shown = f"{{{pairs}}}" if pairs else ""
        yield f"{full}{suffix}{shown} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6g}"


def _escaped(text: str) -> str:
    for old, new in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(old, new)
    return text
