"""Every function of Hermes that the gateway side replaces, and why."""

from __future__ import annotations

from hermes_router.hermes.compat.replacing.patching import Patch

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
    why="the same for a message that arrives during a turn of the place",
    required=True,
)
START = Patch(owners=_RUNNER, name="start", why="the router starts with the gateway", required=True)
STOP = Patch(
    owners=_RUNNER,
    name="stop",
    why="background work of workers ends while the gateway can still send notices",
    required=True,
)
NOTIFY = Patch(
    owners=_RUNNER,
    name="_notify_active_sessions_of_shutdown",
    why="places with a running routed turn get the gateway's stop notice in the profile's language",
)
WAIT = Patch(
    owners=_RUNNER,
    name="wait_for_shutdown",
    why="the workers end before the gateway's process does",
    required=True,
)
SESSION_STORE = Patch(
    owners=("gateway.platforms.base:BasePlatformAdapter",),
    name="set_session_store",
    why="an adapter stores data about a routed place in the profile's home",
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
    required=True,
)
RUNNING_JOBS = Patch(
    owners=("cron.scheduler",),
    name="get_running_job_ids",
    why="the gateway's drain waits for cron jobs that run in workers",
)
STICKER = Patch(
    owners=_TELEGRAM,
    name="_handle_sticker",
    why="the profile's own model describes a sticker in a routed place",
    without="the gateway's own profile describes the stickers of routed places",
)
OBSERVED_MEDIA = Patch(
    owners=_TELEGRAM,
    name="_cache_observed_media",
    why="files of observed messages in a routed place go to the profile's home",
    without="files of observed messages in routed places stay in the gateway's home",
)
SHARED_SOURCE = Patch(
    owners=_TELEGRAM,
    name="_telegram_group_observe_shared_source",
    why="a route that names a person also holds in a group that the bot listens to",
    without="routes that name a person do not hold in groups that the bot listens to",
)
COMMENT = Patch(
    owners=("plugins.platforms.feishu.adapter:FeishuAdapter",),
    name="_on_drive_comment_event",
    why="the gateway's own profile does not answer routed people's comments on documents",
    without="the gateway's own profile answers comments of routed people on documents",
)
KANBAN_SPAWN = Patch(
    owners=("hermes_cli.kanban_db_dispatch", "hermes_cli.kanban_db"),
    name="_default_spawn",
    why="a card's process gets the environment of its own profile",
    without="a card of a routed profile runs in the gateway's environment",
)
CHILD_ENVIRONMENT = Patch(
    owners=("tools.environments.local",),
    name="build_subprocess_env",
    why="another module builds that environment from the gateway's own",
    since="0.20",
)
KANBAN_SUBSCRIPTIONS = Patch(
    owners=("hermes_cli.kanban_db_notify", "hermes_cli.kanban_db"),
    name="list_notify_subs",
    why="this gateway notifies routed profiles that subscribed to cards, under their delivery "
    "policy",
    without="routed profiles get no notices of the kanban cards that they subscribed to",
)
KANBAN_COUNT = Patch(
    owners=("hermes_cli.kanban_db_notify",),
    name="count_notify_subs",
    why="a board on which only routed profiles subscribed is checked, too",
    since="0.21",
)
KANBAN_ARTIFACTS = Patch(
    owners=_RUNNER,
    name="_deliver_kanban_artifacts",
    why="a card that a sandboxed worker wrote can attach only files of the board",
)
APPROVAL_SECONDS = Patch(
    owners=("gateway.platforms.base",),
    name="approval_timeout_seconds",
    why="a routed profile's approval says how long that profile waits",
    since="0.21.3",
)
CLARIFY_TYPED = Patch(
    owners=_CLARIFY,
    name="mark_awaiting_text",
    why="a click on the choice to type an answer reaches the worker that asked",
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
CLICK = Patch(
    owners=_TELEGRAM,
    name="_handle_callback_query",
    why="only those who may write in a person's own session may click on its buttons",
    without="everybody who may write can click on the buttons of one person's session",
)

#: All patches; the required ones come first.
PATCHES: tuple[Patch, ...] = (
    HANDLE,
    HANDLE_BUSY,
    START,
    STOP,
    WAIT,
    SESSION_STORE,
    SERVED,
    PARKED,
    NOTIFY,
    RUNNING_JOBS,
    STICKER,
    OBSERVED_MEDIA,
    SHARED_SOURCE,
    COMMENT,
    KANBAN_SPAWN,
    CHILD_ENVIRONMENT,
    KANBAN_SUBSCRIPTIONS,
    KANBAN_COUNT,
    KANBAN_ARTIFACTS,
    APPROVAL_SECONDS,
    CLARIFY_TYPED,
    PICKER,
    CHOICE_PICKER,
    CLICK,
)


def required() -> tuple[Patch, ...]:
    """Return the patches without which routing is closed."""
    return tuple(patch for patch in PATCHES if patch.required)
