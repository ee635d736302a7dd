"""The router's settings of one profile, and reading them from YAML with line numbers.

A setting is one line in a struct below: type, default, limits and description. Its limits come from
its type; a ``check`` method checks settings against each other. Blocks are applied in layers: the
defaults, then the profile's own block. So a profile's block holds only what differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct, structs

from hermes_router.config import units
from hermes_router.config.diagnostics import Report
from hermes_router.config.yaml import Mapping, Node, Sequence, plain_value
from hermes_router.protocol.limits import NAMES as KEPT_BY_WORKERS

LAUNCHERS = ("local", "bubblewrap")

_DAY = 86_400.0
_NAME = r"^[A-Za-z_][A-Za-z0-9_]*\Z"
_PATH = r"^~?/.*[^/.].*\Z"
_TARGET = r"^[a-z0-9_]+:.+\Z"
Name = Annotated[str, Meta(pattern=_NAME)]
FolderPath = Annotated[str, Meta(pattern=_PATH)]
Target = Annotated[str, Meta(pattern=_TARGET)]

#: The least that a worker needs to start: measured with Hermes 0.19, with a margin.
_LEAST = {"memory_bytes": 256 * 1024 * 1024, "cpu_seconds": 5.0, "processes": 8, "open_files": 128}

_WORDS = {
    f"`str` matching regex {_NAME!r}": "the name of an environment variable",
    f"`str` matching regex {_PATH!r}": "an absolute path, or one that begins with ~/, but not /",
    f"`str` matching regex {_TARGET!r}": "a target like telegram:-100123:6",
    "`bool | str`": "on or off",
    "`array`": "a list",
    "`object`": "a mapping",
    "`str`": "text",
    "`float`": "a number",
    "`int`": "a whole number",
    "`bool`": "true or false",
    "`null`": "nothing",
}

_PLATFORM_SECRETS = re.compile(
    r"^(?:TELEGRAM|DISCORD|SLACK|MATRIX|MATTERMOST|WHATSAPP|SIGNAL|LINE|TEAMS|TWILIO|IRC|EMAIL|HASS"
    r"|DINGTALK|FEISHU|WECOM|WEIXIN|QQ|YUANBAO|BLUEBUBBLES|GOOGLE_CHAT|PHOTON|NTFY|GATEWAY|WEBHOOK"
    r"|API_SERVER|MSGRAPH)_.*(?:TOKEN|SECRET|PASSWORD|KEY|AUTH|SID|ACCOUNT|SERVICE_ACCOUNT_JSON)"
    r"|_(?:BOT|APP)_TOKEN$"
)


def is_platform_credential(name: str) -> bool:
    """Return True if the environment variable *name* looks like a chat platform's credential.

    Such a variable is passed to a worker only if ``env.force`` names it, too.
    """
    return _PLATFORM_SECRETS.search(name) is not None


class Finding(Struct, frozen=True):
    """A mistake in the setting *key* that :meth:`Block.check` finds, and how to fix it."""

    key: str
    message: str
    hint: str = ""


class Block(Struct, frozen=True):
    """A group of settings, which is a mapping in the configuration file."""

    def check(self) -> Iterator[Finding]:
        """Yield what is wrong with these settings, beyond the limits of each single one.

        The reader calls it when it has applied a block of the file.
        """
        yield from ()


class Timeouts(Block, frozen=True, kw_only=True):
    """How long, in seconds, the parts of a turn may take."""

    start: Annotated[
        float,
        Meta(gt=0, le=_DAY, description="seconds from the start of a worker until it is ready"),
    ] = 60.0
    turn: Annotated[
        float, Meta(ge=0, le=30 * _DAY, description="seconds for a whole turn; 0 is no limit")
    ] = 0.0
    silence: Annotated[
        float,
        Meta(
            gt=0,
            le=_DAY,
            description="seconds without a message or heartbeat, after "
            "which the router ends a worker",
        ),
    ] = 300.0
    stop: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="seconds that a worker has to end by itself before the router kills it",
        ),
    ] = 5.0
    post_turn: Annotated[
        float,
        Meta(
            ge=0,
            le=_DAY,
            description="seconds for post-turn work: titles, memory, all "
            "that a turn does after its answer",
        ),
    ] = 900.0
    idle: Annotated[
        float,
        Meta(
            ge=0,
            le=30 * _DAY,
            description="seconds that background work may send nothing; 0 is no limit",
        ),
    ] = 0.0
    resident: Annotated[
        float,
        Meta(
            ge=0,
            le=30 * _DAY,
            description="seconds that background work may last after the last answer; 0 is no "
            "limit",
        ),
    ] = float(_DAY)


class Limits(Block, frozen=True, kw_only=True):
    """How much may happen at once, and what one worker with its child processes may use."""

    concurrent_turns: Annotated[
        int,
        Meta(ge=1, le=1024, description="maximum number of turns of the profile that run at once"),
    ] = 4
    queue: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="maximum number of messages that wait for a free turn, or behind one",
        ),
    ] = 32
    file_bytes: Annotated[
        int,
        Meta(ge=0, le=2**40, description="maximum bytes of the files that a worker sends at once"),
    ] = 256 * 1024 * 1024
    received_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=2**40,
            description="maximum bytes of a file that people send; the "
            "worker does not get larger files",
        ),
    ] = 256 * 1024 * 1024
    memory_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=2**50,
            description="maximum memory of a worker and its child "
            "processes together; 0 is no limit",
        ),
    ] = 0
    cpu_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=30 * _DAY,
            description="maximum CPU time of a worker and its child "
            "processes together; 0 is no limit",
        ),
    ] = 0.0
    processes: Annotated[
        int,
        Meta(
            ge=0,
            le=2**22,
            description="maximum number of processes of a worker, with "
            "the worker itself; 0 is no limit",
        ),
    ] = 1024
    open_files: Annotated[
        int,
        Meta(
            ge=0,
            le=2**20,
            description="maximum number of open files of each process; 0 is the system's own limit",
        ),
    ] = 0
    output_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=2**40,
            description="maximum bytes that a worker prints, and that it sends "
            "as text; 0 is no limit",
        ),
    ] = 64 * 1024 * 1024

    def of_a_tree(self) -> tuple[tuple[str, float], ...]:
        """Return the names and values of the limits that the worker's supervisor enforces."""
        return tuple((name, float(getattr(self, name))) for name in KEPT_BY_WORKERS)

    def check(self) -> Iterator[Finding]:
        """Yield a finding for each limit that is so low that no worker could start."""
        for name, least in _LEAST.items():
            if 0 < getattr(self, name) < least:
                shown = f"{least // 2**20}MiB" if name == "memory_bytes" else f"{least:g}"
                yield Finding(name, f"no worker starts with less than {shown}", "0 is no limit")


class Env(Block, frozen=True, kw_only=True):
    """Variables of the gateway's environment that workers get besides the built-in few."""

    pass_: Annotated[
        tuple[Name, ...],
        Meta(
            description="names of the gateway's variables that workers get; "
            "platform credentials are refused"
        ),
    ] = msgspec.field(default=(), name="pass")
    force: Annotated[
        tuple[Name, ...],
        Meta(
            description="names of variables that workers get even if they "
            "look like platform credentials"
        ),
    ] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names to pass, each once."""
        return tuple(dict.fromkeys((*self.pass_, *self.force)))

    def check(self) -> Iterator[Finding]:
        """Yield a finding for each platform credential in ``pass`` that is not in ``force``."""
        for name in self.pass_:
            if is_platform_credential(name) and name not in self.force:
                message = f"{name} looks like a chat platform's credential, which no worker needs"
                yield Finding("pass", message, "to pass it all the same, name it in env.force")


class Log(Block, frozen=True, kw_only=True):
    """The worker log of a profile."""

    max_bytes: Annotated[
        int, Meta(ge=4096, le=2**40, description="size in bytes at which the worker log is rotated")
    ] = 10_000_000
    backups: Annotated[
        int, Meta(ge=0, le=1000, description="number of rotated worker logs to keep")
    ] = 3
    format: Annotated[
        Literal["text", "json"],
        Meta(description="format of the worker log: text, or json with one object per line"),
    ] = "text"


class Warm(Block, frozen=True, kw_only=True):
    """Processes that are prepared in advance, so that a turn need not wait for one."""

    enabled: Annotated[
        bool, Meta(description="prepare processes before messages arrive; needs Linux")
    ] = True
    ready: Annotated[
        int, Meta(ge=0, le=16, description="number of prepared workers that wait for a message")
    ] = 1
    keep: Annotated[
        float,
        Meta(
            ge=0,
            le=30 * _DAY,
            description="seconds that the profile stays warm after its last turn",
        ),
    ] = 3600.0
    max_age: Annotated[
        float,
        Meta(gt=0, le=30 * _DAY, description="seconds after which prepared processes are replaced"),
    ] = 3600.0
    mcp: Annotated[
        bool,
        Meta(
            description="also start the MCP servers in each prepared worker, before a "
            "message arrives"
        ),
    ] = False


class Bind(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file or folder that a sandbox shows besides the built-in ones."""

    path: FolderPath
    mode: Literal["ro", "rw"] = "ro"


class Sandbox(Block, frozen=True, kw_only=True):
    """What the launcher ``bubblewrap`` lets a profile see; other launchers ignore it."""

    binds: Annotated[
        tuple[Bind, ...],
        Meta(
            description="further files or folders that the sandbox shows: "
            "{path: /srv/music, mode: ro|rw}"
        ),
    ] = ()
    network: Annotated[
        bool | Literal["on", "off"],
        Meta(
            description="on or off; with off the model cannot be reached either, unless it "
            "runs in the sandbox"
        ),
    ] = True

    @property
    def online(self) -> bool:
        """Whether the sandbox has the machine's network; YAML reads a bare ``off`` as false."""
        return self.network in {True, "on"}


class Hardening(Block, frozen=True, kw_only=True):
    """Rights that a worker and all its child processes give up for their whole life."""

    no_new_privs: Annotated[
        bool,
        Meta(
            description="no program of a worker can gain privileges; rootless containers need false"
        ),
    ] = True


class Jobs(Block, frozen=True, kw_only=True):
    """What is done for a profile at set times, without a message."""

    cron: Annotated[bool, Meta(description="run the profile's cron jobs when they are due")] = True
    upkeep: Annotated[
        bool,
        Meta(
            description="do the home's maintenance: expire sessions, clean caches, run "
            "the curator of skills"
        ),
    ] = True
    concurrent: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="maximum number of cron jobs that run at once, in "
            "addition to turns; others wait",
        ),
    ] = 4


SEES_ITS_HOME = Sandbox()
HARDENED = Hardening()


class Schedule(Block, frozen=True, kw_only=True):
    """How often the gateway looks whether a routed profile has something to do."""

    cron: Annotated[
        float, Meta(gt=0, le=3600, description="seconds between two checks for changed cron jobs")
    ] = 10.0
    upkeep: Annotated[
        float,
        Meta(
            gt=0,
            le=_DAY,
            description="seconds, at least, between two maintenance jobs of a profile",
        ),
    ] = 300.0


class WarmBudget(Block, frozen=True, kw_only=True):
    """How much may be prepared at once, over all profiles; the least recently used goes first."""

    profiles: Annotated[
        int, Meta(ge=0, le=1000, description="maximum number of profiles that are kept warm")
    ] = 8
    memory_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=2**50,
            description="maximum memory of all prepared processes together; 0 is no limit",
        ),
    ] = 0


class TurnBudget(Block, frozen=True, kw_only=True):
    """How many turns run at once, over all profiles; the profile with fewest turns goes first."""

    concurrent_turns: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000,
            description="maximum number of turns that run at once; 0: by the machine's memory",
        ),
    ] = 0
    free_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=2**50,
            description="bytes of memory that must stay free when a turn "
            "begins; 0: 5 %, at most 512 MB",
        ),
    ] = 0


class Metrics(Block, frozen=True, kw_only=True):
    """Where the gateway's figures can be fetched; every user of this machine can fetch them."""

    port: Annotated[
        int,
        Meta(
            ge=0, le=65535, description="port on 127.0.0.1, read when the gateway starts; 0 is none"
        ),
    ] = 0


class Settings(Block, frozen=True, kw_only=True):
    """All settings of one routed profile."""

    launcher: Annotated[
        str, Meta(description=f"how a worker's process is started: {', '.join(LAUNCHERS)}")
    ] = "local"
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    env: Env = Env()
    share: Annotated[
        tuple[Literal["auth", "kanban", "ssh"], ...],
        Meta(
            description="what the profile may use that is not its own: auth, ssh; in a sandbox "
            "also kanban"
        ),
    ] = ()
    deliver: Annotated[
        Literal["own", "any"] | tuple[Target, ...],
        Meta(
            description="where the profile may send: own (its conversations), any, "
            "or a list of platform:chat, which adds to own"
        ),
    ] = "own"
    home_channel: Annotated[
        Target | None,
        Meta(
            description="the profile's home channel, platform:chat; "
            "default: the conversation used first"
        ),
    ] = None
    jobs: Jobs = Jobs()
    send_tool: Annotated[
        bool,
        Meta(description="give the model the tool send_message where Hermes does not offer it"),
    ] = False
    log: Log = Log()
    warm: Warm = Warm()
    sandbox: Sandbox = SEES_ITS_HOME
    hardening: Hardening = HARDENED

    @property
    def workers_at_once(self) -> int:
        """How many workers the profile may have at once, without those that are draining."""
        return self.limits.concurrent_turns + self.jobs.concurrent + self.warm.ready + 1

    @property
    def online(self) -> bool:
        """Whether the profile's processes have the machine's network."""
        return self.launcher != "bubblewrap" or self.sandbox.online

    def shared(self) -> Iterator[str]:
        """Yield each setting that lets the profile use what is not its own, as a text for people.

        Such a text is, for example, ``share ssh`` or ``deliver any``.
        """
        for name in self.env.names:
            yield f"env {name}"
        for name in self.share:
            yield f"share {name}"
        if self.launcher == "bubblewrap":
            for bind in self.sandbox.binds:
                yield f"sandbox.binds {bind.path} ({bind.mode})"
        for target in [self.deliver] if isinstance(self.deliver, str) else self.deliver:
            if target != "own":
                yield f"deliver {target}"
        if self.home_channel is not None:
            yield f"home_channel {self.home_channel}"

    def check(self) -> Iterator[Finding]:
        """Yield a finding for an unknown launcher, and one for ``share: auth`` in a sandbox."""
        if self.launcher not in LAUNCHERS:
            hint = f"allowed: {', '.join(LAUNCHERS)}"
            yield Finding("launcher", f"there is no launcher {self.launcher!r}", hint)
        if self.launcher == "bubblewrap" and "auth" in self.share:
            message = "a profile in a sandbox cannot use the root's logins"
            hint = "log the profile in by itself: hermes -p PROFILE auth add PROVIDER"
            yield Finding("share", message, hint)


B = TypeVar("B", bound=Block)


def apply(report: Report, base: B, node: Node, path: str) -> B:
    """Return the settings *base*, with those replaced that are written in the YAML mapping *node*.

    A value that is wrong is added to *report*, and the setting keeps the value that it has in
    *base*. ``path`` is the key path of *node*, for the messages.
    """
    mapping = report.mapping(node, path)
    if mapping is None:
        return base
    fields = {field.encode_name: field for field in structs.fields(base)}
    changes: dict[str, Any] = {}
    for key, value in report.entries(mapping, path):
        field = fields.get(key.text)
        if field is None:
            report.unknown_key(key, path, tuple(fields))
        else:
            old = changes.get(field.name, getattr(base, field.name))
            unit = _unit(base, field.name, field.type)
            changes[field.name] = _value(report, field.type, old, value, f"{path}.{key.text}", unit)
    changed = structs.replace(base, **changes)
    _check(report, base, changed, mapping, path)
    return changed


def _unit(block: Block, name: str, annotated: Any) -> str:
    """Return the unit of a setting's number: ``bytes`` or ``seconds``; "" if it has none."""
    if name.endswith("bytes"):
        return "bytes"
    in_seconds = isinstance(block, Timeouts) or "seconds" in (name, name.rpartition("_")[2])
    return "seconds" if in_seconds or _description(annotated).startswith("seconds") else ""


def _value(report: Report, wanted: Any, old: Any, node: Node, path: str, unit: str = "") -> Any:
    if isinstance(old, Block):
        return apply(report, old, node, path)
    raw = plain_value(node)
    hint = {"bytes": units.SIZE_HINT, "seconds": units.DURATION_HINT}.get(unit, "")
    if isinstance(raw, str) and unit:
        read = units.size if unit == "bytes" else units.duration
        raw = raw if (meant := read(raw)) is None else meant
    items = list(node.items) if isinstance(node, Sequence) else []
    while True:
        try:
            return msgspec.convert(raw, wanted)
        except msgspec.ValidationError as error:
            message, index = _explained(str(error))
            bad = index is not None and isinstance(raw, list) and index < len(items)
            place = items[index] if bad and index is not None else node
            report.add(place, path, message, hint=hint)
            if not bad or index is None or not isinstance(raw, list):
                return old
            del raw[index], items[index]


def _explained(error: str) -> tuple[str, int | None]:
    message, _, where = error.partition(" - at `$")
    index = re.match(r"\[(\d+)\]", where)
    for word, ours in _WORDS.items():
        message = message.replace(word, ours)
    return message[:1].lower() + message[1:], int(index[1]) if index else None


def _check(report: Report, base: Block, block: Block, mapping: Mapping, path: str) -> None:
    known = set(base.check())  # reported where these values were written
    for finding in block.check():
        if finding not in known:
            where = mapping.get(finding.key) or mapping
            report.add(where, f"{path}.{finding.key}", finding.message, hint=finding.hint)


def describe_settings(
    block: type[Block] = Settings, prefix: str = ""
) -> Iterator[tuple[str, Any, str]]:
    """Yield key path, default and description of every setting, for documentation."""
    for field in structs.fields(block):
        if isinstance(field.default, Block):
            yield from describe_settings(type(field.default), f"{prefix}{field.encode_name}.")
        else:
            yield f"{prefix}{field.encode_name}", field.default, _description(field.type)


def _description(annotated: Any) -> str:
    metas = (meta for meta in getattr(annotated, "__metadata__", ()) if isinstance(meta, Meta))
    return next((meta.description for meta in metas if meta.description), "")
