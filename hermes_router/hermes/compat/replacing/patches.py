"""Every function of Hermes that the gateway side replaces, and why."""

from __future__ import annotations

from hermes_router.hermes.compat.replacing.patching import Patch, PatchState, state_of

_RUNNER = ("gateway.run:GatewayRunner",)
_TELEGRAM = ("plugins.platforms.telegram.adapter:TelegramAdapter",)
_CLARIFY = ("tools.clarify_gateway",)

HANDLE = Patch(
    owners=_RUNNER,
    name="_handle_message",
    why="a message of a routed place goes to its profile's worker",
    required=True,
)
HANDLE_BUSY = Patch(
    owners=_RUNNER,
    name="_handle_active_session_busy_message",
    why="so does a message that arrives while the place is busy",
    required=True,
)
START = Patch(owners=_RUNNER, name="start", why="the router starts with the gateway", required=True)
STOP = Patch(
    owners=_RUNNER,
    name="stop",
    why="background work of workers ends while people can still be told",
    required=True,
)
NOTIFY = Patch(
    owners=_RUNNER,
    name="_notify_active_sessions_of_shutdown",
    why="places in which a routed turn runs hear in the profile's language that the gateway goes",
)
WAIT = Patch(
    owners=_RUNNER,
    name="wait_for_shutdown",
    why="the workers end before the gateway's process does",
    required=True,
)
ROUTE_OF_SOURCE = Patch(
    owners=_RUNNER,
    name="_profile_name_for_source",
    why="Hermes's own routing is off: one router for each message",
)
SESSION_STORE = Patch(
    owners=("gateway.platforms.base:BasePlatformAdapter",),
    name="set_session_store",
    why="what an adapter keeps about a routed place goes to the profile's home",
    required=True,
)
PARKED = Patch(
    owners=("hermes_cli.profiles",),
    name="profile_is_parked",
    why="the same where Hermes asks whether a profile is parked",
    since="0.21.5",
)
SERVED = Patch(
    owners=("hermes_cli.profiles",),
    name="profiles_to_serve",
    why="the gateway serves no routed profile in its own process",
    without="with multiplex_profiles the gateway does a routed profile's work in its own process",
)
RUNNING_JOBS = Patch(
    owners=("cron.scheduler",),
    name="get_running_job_ids",
    why="the gateway's drain waits for cron jobs that run in workers",
)
STICKER = Patch(
    owners=_TELEGRAM,
    name="_handle_sticker",
    why="a sticker in a routed place is described by its profile's own model",
    without="the gateway's own profile looks at the stickers of routed places",
)
OBSERVED_MEDIA = Patch(
    owners=_TELEGRAM,
    name="_cache_observed_media",
    why="files that are overheard in a routed place go to the profile's home",
    without="files that are overheard in routed places stay in the gateway's home",
)
FORUM_COMMANDS = Patch(
    owners=_TELEGRAM,
    name="_ensure_forum_commands",
    why="a routed forum keeps the command menu of its profiles",
    without="the adapter may put the gateway's menu over that of a routed forum",
)
KANBAN_SPAWN = Patch(
    owners=("hermes_cli.kanban_db_dispatch", "hermes_cli.kanban_db"),
    name="_default_spawn",
    why="a card's process gets the environment of its own profile",
    without="a card of a routed profile is worked on in the gateway's environment",
)
CHILD_ENVIRONMENT = Patch(
    owners=("tools.environments.local",),
    name="build_subprocess_env",
    why="that environment is made by another module, which reads the gateway's own",
    since="0.20",
)
KANBAN_SUBSCRIPTIONS = Patch(
    owners=("hermes_cli.kanban_db_notify", "hermes_cli.kanban_db"),
    name="list_notify_subs",
    why="subscriptions of routed profiles are served by this gateway, under their policy",
    without="what routed profiles subscribed to on the kanban board is not told",
)
KANBAN_COUNT = Patch(
    owners=("hermes_cli.kanban_db_notify",),
    name="count_notify_subs",
    why="a board on which only routed profiles subscribed is looked at, too",
    since="0.21",
)
KANBAN_ARTIFACTS = Patch(
    owners=_RUNNER,
    name="_deliver_kanban_artifacts",
    why="a card that a sandbox wrote attaches files of the board only",
)
APPROVE = Patch(
    owners=("tools.approval",),
    name="resolve_gateway_approval",
    why="a click on a routed profile's approval reaches its worker",
)
HAS_APPROVAL = Patch(
    owners=("tools.approval",),
    name="has_blocking_approval",
    why="adapters see that a routed approval is open",
)
APPROVAL_SECONDS = Patch(
    owners=("gateway.platforms.base",),
    name="approval_timeout_seconds",
    why="a routed profile's approval says how long that profile waits",
    since="0.21.3",
)
CLARIFY = Patch(
    owners=_CLARIFY,
    name="resolve_gateway_clarify",
    why="a click on a routed profile's question reaches its worker",
)
CLARIFY_TYPED = Patch(
    owners=_CLARIFY,
    name="mark_awaiting_text",
    why="so does the wish to type the answer",
)
CONFIRM = Patch(
    owners=("tools.slash_confirm",),
    name="resolve",
    why="a click on a routed profile's confirmation reaches its worker",
)
PICKER = Patch(
    owners=_TELEGRAM,
    name="_handle_model_picker_callback",
    why="a picker belongs to its own message, and only those who may use the command may click",
)
CHOICE_PICKER = Patch(
    owners=_TELEGRAM,
    name="_handle_choice_picker_callback",
    why="the same for a picker of a plain choice",
)

#: All of them; ``required`` ones come first.
PATCHES: tuple[Patch, ...] = (
    HANDLE,
    HANDLE_BUSY,
    START,
    STOP,
    WAIT,
    SESSION_STORE,
    ROUTE_OF_SOURCE,
    SERVED,
    PARKED,
    NOTIFY,
    RUNNING_JOBS,
    STICKER,
    OBSERVED_MEDIA,
    FORUM_COMMANDS,
    KANBAN_SPAWN,
    CHILD_ENVIRONMENT,
    KANBAN_SUBSCRIPTIONS,
    KANBAN_COUNT,
    KANBAN_ARTIFACTS,
    APPROVE,
    HAS_APPROVAL,
    APPROVAL_SECONDS,
    CLARIFY,
    CLARIFY_TYPED,
    CONFIRM,
    PICKER,
    CHOICE_PICKER,
)


def required() -> tuple[Patch, ...]:
    """Return those without which routing is closed."""
    return tuple(patch for patch in PATCHES if patch.required)


def installed_patches() -> list[PatchState]:
    """Return each patch with what became of it in this process."""
    return [state_of(patch) for patch in PATCHES]
