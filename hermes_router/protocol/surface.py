"""The surface table: for each name that Hermes uses on a platform adapter, which side handles it.

The gateway has the *real* adapter. A worker has a *pipe* adapter: a subclass of Hermes's
``BasePlatformAdapter`` that is built from the start message. Three tables list every name that
Hermes's core calls or probes on an adapter. Both sides read them:

* :data:`ADAPTER_METHODS`: which side executes a method, and what its parameters mean;
* :data:`CAPABILITIES`: what the gateway asks the real adapter once, and how the worker offers it;
* :data:`ADAPTER_STATE`: attributes that Hermes reads or writes and that never cross the pipe.

:data:`METADATA_KEYS` says what the keys of an outbound ``metadata`` mapping mean.

Hermes finds an adapter's capabilities by its *class*: by presence (``getattr(type(adapter),
name)``) and by identity (``type(adapter).edit_message is BasePlatformAdapter.edit_message``). So
the pipe class overrides a base method only if the real class does, and has an optional method only
if the real class has it. All other methods are the base class's own code, which at its end calls a
relayed method such as ``send``.

This file is longer than others because it is a table. It does not import Hermes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, TypeVar

import msgspec

Kind = Literal["relay", "prompt", "both", "answered", "local", "gateway", "absent"]
"""Which side executes a method.

``relay``: the worker calls, the real adapter executes. ``prompt``: the same, and a person's click
comes back later. ``both``: the base class's code runs in the worker, and the real adapter is called
too, but the worker does not wait for it. ``answered``: a plain method; its answer is in the start
message. ``local``: the base class's code runs in the worker. ``gateway``: only the real adapter
does this; the pipe adapter's version does nothing. ``absent``: the pipe adapter must not have the
method, so that Hermes does what it does on platforms without it.
"""

FileShape = Literal["path", "url", "url_batch"]
"""How a parameter names a file.

``path``: a local path or a ``file://`` URL; the file's bytes are sent. ``url``: an ``http(s)`` URL
is sent as text, the file of a path or ``file://`` URL as bytes, and all else is refused.
``url_batch``: a list of pairs, a ``url`` and its alternative text.
"""

Rewrite = Literal["session_token", "prompt_id", "draft_id", "status_key", "callback", "plain_dicts"]
"""How the relay must change an argument before the real adapter sees it.

``session_token``: replaced by a name that only the router can resolve, because the session key does
not say which worker asked. ``prompt_id``: replaced by an id that is unique in the gateway, because
each worker makes its own ids. ``draft_id``: the same for drafts, which each worker counts from 1.
``status_key``: prefixed with the conversation, because the adapter keeps one status message for
each chat and key. ``callback``: the function stays in the worker; the real adapter gets a function
that asks the worker. ``plain_dicts``: copied field by field.
"""

ResultType = Literal["send_result", "bool", "text", "json", "none"]
Side = Literal["worker", "gateway", "absent"]


class Method(msgspec.Struct, frozen=True, kw_only=True):
    """A method of an adapter.

    Attributes:
        name: as Hermes spells it.
        kind: which side executes it.
        why: the reason, in one line.
        since: the first Hermes release that defines or probes it (0.13.0 means: or earlier).
        base: ``BasePlatformAdapter`` defines it; else only some adapters have it.
        sync: a plain method, called without ``await``, sometimes from the agent's thread.
        params: parameters in positional order, without ``self``; keyword-only ones follow.
        optional: parameters that not every adapter accepts; sent only if the real adapter does.
        places: parameters that name the conversation; the policy checks these.
        messages: parameters that are ids of platform messages.
        files: parameters that name files.
        rewrites: parameters that the relay changes.
        result: the type of the result.
        opens: it opens a new thread of the chat; the routes decide whether the worker may.
    """

    name: str
    kind: Kind
    why: str
    since: str = "0.13.0"
    base: bool = True
    sync: bool = False
    params: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    files: Mapping[str, FileShape] = msgspec.field(default_factory=dict)
    rewrites: Mapping[str, Rewrite] = msgspec.field(default_factory=dict)
    result: ResultType = "none"
    opens: bool = False

    @property
    def crosses(self) -> bool:
        """True if a call of this method in a worker is sent to the gateway over the pipe."""
        return self.kind in {"relay", "prompt", "both"}


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """A capability that Hermes probes on an adapter, and that the gateway asks once for a session.

    Attributes:
        name: as Hermes spells it; also its key in the start message.
        ask: how to ask the real adapter. ``attribute``: read it (a property counts). ``call``: call
            it with ``args``. ``unit``: read it and name its unit with :func:`length_unit`.
            ``config``: a field of ``adapter.config``. ``extra``: a key of ``adapter.config.extra``.
            ``constant``: do not ask, ``default`` is the answer.
        shape: the type of the answer.
        expose: how the pipe adapter offers it. ``attribute`` and ``property`` are set on the class;
            ``method`` is a function on the class that returns the answer; ``config`` and ``extra``
            go into the configuration object that the pipe adapter is built with.
        default: the answer if the real adapter does not have it, or if asking failed. ``None`` with
            ``expose="attribute"`` means: leave the attribute out.
        args: the arguments of a ``call``, from the start message's source.
        varies: what the answer may also depend on: ``chat``, ``content`` or ``time``.
    """

    name: str
    ask: Literal["attribute", "call", "unit", "config", "extra", "constant"]
    shape: Literal["bool", "int", "text", "json"]
    expose: Literal["attribute", "property", "method", "config", "extra"]
    why: str
    default: bool | int | str | None = None
    args: tuple[str, ...] = ()
    varies: tuple[Literal["chat", "content", "time"], ...] = ()
    since: str = "0.13.0"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute that Hermes's core reads or writes directly.

    ``worker``: the base class keeps it in the worker. ``gateway``: only code for the real adapter
    uses it. ``absent``: the pipe adapter must not have it.
    """

    name: str
    side: Side
    why: str
    since: str = "0.13.0"


class MetadataKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key of an outbound ``metadata`` mapping.

    ``place``: it must be the worker's own conversation. ``message``: it must be the id of a message
    of this conversation. ``flag``: any value. ``identity``: the relay replaces the worker's value
    by that of the session's source. Keys that are not listed are dropped, because an adapter may
    read such a key as a destination.
    """

    name: str
    role: Literal["place", "message", "flag", "identity"]
    why: str


_CHAT = ("chat_id", "metadata")
_PROMPT = ("chat_id", "session_key", "metadata")
_Row = TypeVar("_Row", Method, Capability, State, MetadataKey)


def _by_name(*rows: _Row) -> Mapping[str, _Row]:
    table = {row.name: row for row in rows}
    if len(table) != len(rows):
        raise ValueError("a name stands twice in one table")
    return MappingProxyType(table)


# -- methods -----------------------------------------------------------------------------------

ADAPTER_METHODS: Mapping[str, Method] = _by_name(
    # text out
    Method(
        name="send",
        kind="relay",
        params=("chat_id", "content", "reply_to", "metadata"),
        places=_CHAT,
        messages=("reply_to",),
        result="send_result",
        why="every reply ends here; some adapters attach files that the text names: "
        "see TEXT_OPENS_FILES",
    ),
    Method(
        name="edit_message",
        kind="relay",
        params=("chat_id", "message_id", "content", "finalize", "metadata"),
        optional=("metadata",),
        places=_CHAT,
        messages=("message_id",),
        result="send_result",
        why="streaming and progress; Hermes compares it with the base's and reads its signature",
    ),
    Method(
        name="delete_message",
        kind="relay",
        params=("chat_id", "message_id"),
        places=("chat_id",),
        messages=("message_id",),
        result="bool",
        why="removes previews and progress; Hermes compares it with the base method",
    ),
    Method(
        name="send_draft",
        kind="relay",
        params=("chat_id", "draft_id", "content", "metadata"),
        places=_CHAT,
        rewrites={"draft_id": "draft_id"},
        result="send_result",
        why="animated previews; a reused id would animate over the answer before",
    ),
    Method(
        name="send_private_notice",
        kind="relay",
        params=("chat_id", "user_id", "content", "reply_to", "metadata"),
        places=("chat_id", "user_id", "metadata"),
        messages=("reply_to",),
        result="send_result",
        why="a notice that only the sender sees; the user must be one of this session",
    ),
    Method(
        name="send_or_update_status",
        kind="relay",
        base=False,
        since="0.15.0",
        params=("chat_id", "status_key", "content", "metadata"),
        places=_CHAT,
        rewrites={"status_key": "status_key"},
        result="send_result",
        why="one bubble per key, kept by chat: without the prefix one topic edits another's",
    ),
    # typing
    Method(
        name="send_typing",
        kind="relay",
        params=("chat_id", "metadata"),
        places=_CHAT,
        why="not sent while the gateway's own typing loop runs for this message",
    ),
    Method(
        name="stop_typing",
        kind="relay",
        params=("chat_id", "metadata"),
        optional=("metadata",),
        places=_CHAT,
        why="ends a platform's persistent indicator; Hermes reads its signature for `metadata`",
    ),
    Method(
        name="pause_typing_for_chat",
        kind="both",
        sync=True,
        params=("chat_id",),
        places=("chat_id",),
        why="called from the agent's thread before a prompt; both typing loops must rest",
    ),
    Method(
        name="resume_typing_for_chat",
        kind="both",
        sync=True,
        params=("chat_id",),
        places=("chat_id",),
        why="as pause; the relay also resumes when a worker ends while it paused",
    ),
    Method(
        name="set_status_text",
        kind="both",
        sync=True,
        since="0.19.0",
        params=("chat_id", "text"),
        places=("chat_id",),
        why="the real adapter's typing call renders it; only where `supports_status_text`",
    ),
    # media out
    Method(
        name="send_image",
        kind="relay",
        params=("chat_id", "image_url", "caption", "reply_to", "metadata"),
        places=_CHAT,
        messages=("reply_to",),
        files={"image_url": "url"},
        result="send_result",
        why="several adapters open what is no http URL as a local file",
    ),
    Method(
        name="send_animation",
        kind="relay",
        params=("chat_id", "animation_url", "caption", "reply_to", "metadata"),
        places=_CHAT,
        messages=("reply_to",),
        files={"animation_url": "url"},
        result="send_result",
        why="as send_image",
    ),
    Method(
        name="send_multiple_images",
        kind="relay",
        params=("chat_id", "images", "metadata", "human_delay"),
        places=_CHAT,
        files={"images": "url_batch"},
        result="none",
        why="an album; answers nothing, failures stay in the adapter's log",
    ),
    Method(
        name="send_image_file",
        kind="relay",
        params=("chat_id", "image_path", "caption", "reply_to", "metadata"),
        places=_CHAT,
        messages=("reply_to",),
        files={"image_path": "path"},
        result="send_result",
        why="a local image",
    ),
    Method(
        name="send_voice",
        kind="relay",
        params=("chat_id", "audio_path", "caption", "reply_to", "metadata", "is_voice"),
        places=_CHAT,
        messages=("reply_to",),
        files={"audio_path": "path"},
        result="send_result",
        why="the file's suffix decides between a voice bubble, audio and a document: keep it",
    ),
    Method(
        name="play_tts",
        kind="relay",
        params=("chat_id", "audio_path", "caption", "reply_to", "metadata"),
        places=_CHAT,
        messages=("reply_to",),
        files={"audio_path": "path"},
        result="send_result",
        why="a spoken reply; the worker deletes the file as soon as the call returns",
    ),
    Method(
        name="send_video",
        kind="relay",
        params=("chat_id", "video_path", "caption", "reply_to", "metadata"),
        places=_CHAT,
        messages=("reply_to",),
        files={"video_path": "path"},
        result="send_result",
        why="a local video",
    ),
    Method(
        name="send_document",
        kind="relay",
        params=("chat_id", "file_path", "caption", "file_name", "reply_to", "metadata"),
        places=_CHAT,
        messages=("reply_to",),
        files={"file_path": "path"},
        result="send_result",
        why="the shown name is `file_name` or the file's own: the copy keeps its base name",
    ),
    # prompts
    Method(
        name="send_exec_approval",
        kind="prompt",
        base=False,
        params=(
            "chat_id",
            "command",
            "session_key",
            "description",
            "metadata",
            "allow_permanent",
            "allow_session",
            "smart_denied",
        ),
        optional=("allow_permanent", "allow_session", "smart_denied"),
        places=_PROMPT,
        rewrites={"session_key": "session_token"},
        result="send_result",
        why="a click calls tools.approval.resolve_gateway_approval(session_key, choice)",
    ),
    Method(
        name="send_clarify",
        kind="prompt",
        params=("chat_id", "question", "choices", "clarify_id", "session_key", "metadata"),
        places=_PROMPT,
        rewrites={"session_key": "session_token", "clarify_id": "prompt_id"},
        result="send_result",
        why="a click looks its choice up in the gateway process's tools.clarify_gateway: the relay "
        "registers an entry there; the base version is text and belongs to the worker",
    ),
    Method(
        name="send_slash_confirm",
        kind="prompt",
        params=("chat_id", "title", "message", "session_key", "confirm_id", "metadata"),
        places=_PROMPT,
        rewrites={"session_key": "session_token", "confirm_id": "prompt_id"},
        result="send_result",
        why="a click awaits tools.slash_confirm.resolve(session_key, confirm_id, choice) and sends "
        "what it returns; every worker counts its confirm ids from 1",
    ),
    Method(
        name="send_model_picker",
        kind="prompt",
        base=False,
        params=(
            "chat_id",
            "providers",
            "current_model",
            "current_provider",
            "session_key",
            "on_model_selected",
            "metadata",
        ),
        places=_PROMPT,
        rewrites={
            "session_key": "session_token",
            "providers": "plain_dicts",
            "on_model_selected": "callback",
        },
        result="send_result",
        why="the callback (chat_id, model, provider) -> text runs in the worker; the adapter keeps "
        "one picker per chat, so that the relay must keep one per message",
    ),
    Method(
        name="send_choice_picker",
        kind="prompt",
        base=False,
        since="0.19.0",
        params=("chat_id", "title", "choices", "session_key", "on_choice_selected", "metadata"),
        places=_PROMPT,
        rewrites={
            "session_key": "session_token",
            "choices": "plain_dicts",
            "on_choice_selected": "callback",
        },
        result="send_result",
        why="as the model picker, with the callback (chat_id, value) -> text",
    ),
    Method(
        name="send_update_prompt",
        kind="absent",
        base=False,
        params=("chat_id", "prompt", "default", "session_key", "metadata"),
        why="asked by the gateway's update watcher alone; a click writes into the gateway's home",
    ),
    # places
    Method(
        name="get_chat_info",
        kind="relay",
        params=("chat_id",),
        places=("chat_id",),
        result="json",
        why="name and type of a chat; only plain values of the answer cross",
    ),
    Method(
        name="create_handoff_thread",
        kind="relay",
        params=("parent_chat_id", "name"),
        places=("parent_chat_id",),
        result="text",
        opens=True,
        why="opens a thread for `/branch`, where the routes give new threads and the chat to the "
        "profile; handoffs themselves are the gateway's",
    ),
    Method(
        name="rename_thread",
        kind="relay",
        base=False,
        since="0.18.2",
        params=(
            "thread_id",
            "name",
            "only_if_current_name",
            "prefer_connector_created",
            "parent_chat_id",
        ),
        optional=("only_if_current_name", "prefer_connector_created", "parent_chat_id"),
        places=("thread_id", "parent_chat_id"),
        why="titles a thread that the bot opened itself",
    ),
    Method(
        name="rename_dm_topic",
        kind="relay",
        base=False,
        params=("chat_id", "thread_id", "name"),
        places=("chat_id", "thread_id"),
        why="titles a private topic; without it Hermes would look for a bot object",
    ),
    Method(
        name="ensure_dm_topic",
        kind="absent",
        base=False,
        since="0.15.0",
        params=("chat_id", "topic_name", "force_create"),
        why="writes the topic into the gateway's config.yaml; named private topics need a route",
    ),
    Method(
        name="_create_dm_topic",
        kind="absent",
        base=False,
        params=("chat_id", "name"),
        why="`/topic` sets the bot's private chat up: the gateway's business",
    ),
    Method(
        name="add_reaction",
        kind="relay",
        base=False,
        params=("chat_id", "emoji", "message_id"),
        places=("chat_id",),
        messages=("message_id",),
        result="json",
        why="the agent reacts to a message; without an id the adapter takes the chat's last one",
    ),
    Method(
        name="remove_reaction",
        kind="relay",
        base=False,
        params=("chat_id", "message_id"),
        places=("chat_id",),
        messages=("message_id",),
        result="json",
        why="as add_reaction",
    ),
    # the life of a turn, in the worker
    Method(
        name="handle_message",
        kind="local",
        params=("event",),
        why="a message that the pipe brought starts in the worker's own base class",
    ),
    Method(
        name="cancel_session_processing",
        kind="local",
        params=("session_key", "release_guard", "discard_pending"),
        why="the worker's own turn",
    ),
    Method(
        name="cancel_background_tasks",
        kind="local",
        why="ends the worker's own tasks; a real adapter's version also ends platform loops",
    ),
    Method(
        name="interrupt_session_activity",
        kind="local",
        params=("session_key", "chat_id", "metadata"),
        optional=("metadata",),
        why="wakes the worker's turn; what the gateway's adapter shows ends with its own handler",
    ),
    Method(
        name="register_post_delivery_callback",
        kind="local",
        sync=True,
        params=("session_key", "callback", "generation"),
        why="functions of the worker's runner, fired by the worker's base class",
    ),
    Method(
        name="pop_post_delivery_callback",
        kind="local",
        sync=True,
        params=("session_key", "generation"),
        why="as register",
    ),
    Method(
        name="has_pending_interrupt",
        kind="local",
        sync=True,
        params=("session_key",),
        why="asked in a poll loop about the worker's own turn",
    ),
    Method(
        name="get_pending_message",
        kind="local",
        sync=True,
        params=("session_key",),
        why="messages that wait in the worker",
    ),
    Method(
        name="queue_message",
        kind="absent",
        base=False,
        sync=True,
        params=("session_key", "text"),
        why="no adapter has it; Hermes then queues the event itself",
    ),
    Method(
        name="build_source",
        kind="local",
        sync=True,
        why="only adapters call it, for what they receive",
    ),
    Method(
        name="on_processing_start",
        kind="gateway",
        params=("event",),
        why="reactions on the message: the gateway's base class has already fired it",
    ),
    Method(
        name="on_processing_complete",
        kind="gateway",
        params=("event", "outcome"),
        why="the same; the worker's outcome goes with its answer, and the real hook shows that one",
    ),
    Method(
        name="_send_with_retry",
        kind="local",
        sync=False,
        params=("chat_id", "content", "reply_to", "metadata", "max_retries", "base_delay"),
        why="retries and their notices are the worker's, each attempt a relayed send",
    ),
    Method(
        name="_stop_typing_with_metadata",
        kind="local",
        since="0.19.0",
        params=("chat_id", "metadata"),
        why="chooses how to call stop_typing by its signature",
    ),
    Method(
        name="_unwrap_ephemeral",
        kind="local",
        sync=True,
        params=("response",),
        why="reads the profile's own time to live",
    ),
    Method(
        name="_schedule_ephemeral_delete",
        kind="local",
        sync=True,
        params=("chat_id", "message_id", "ttl_seconds"),
        why="a timer in the worker, then a relayed delete: an open timer keeps the worker alive",
    ),
    # pure
    Method(name="extract_media", kind="local", sync=True, why="pure; finds MEDIA directives"),
    Method(name="extract_images", kind="local", sync=True, why="pure; finds image URLs"),
    Method(
        name="extract_local_files",
        kind="local",
        sync=True,
        why="looks for paths in the worker's file system: the files are there",
    ),
    Method(
        name="validate_media_delivery_path",
        kind="local",
        sync=True,
        since="0.15.0",
        why="denylist, strict mode and roots are the profile's; the relay never sees the path",
    ),
    Method(
        name="filter_media_delivery_paths",
        kind="local",
        sync=True,
        since="0.15.0",
        why="as validate",
    ),
    Method(
        name="filter_local_delivery_paths",
        kind="local",
        sync=True,
        since="0.15.0",
        why="as validate",
    ),
    Method(
        name="strip_media_directives_for_display",
        kind="local",
        sync=True,
        since="0.18.0",
        why="pure",
    ),
    Method(
        name="truncate_message",
        kind="local",
        sync=True,
        params=("content", "max_length", "len_fn"),
        why="the stream consumer gives limit and unit itself; what an adapter overrides "
        "(BlueBubbles, Yuanbao) applies in its own send",
    ),
    Method(
        name="format_message",
        kind="local",
        sync=True,
        params=("content",),
        why="every adapter formats in its own send: doing it here as well would escape twice",
    ),
    Method(
        name="prepare_tts_text",
        kind="local",
        sync=True,
        since="0.15.0",
        params=("text",),
        why="no adapter overrides it",
    ),
    Method(
        name="render_message_event",
        kind="local",
        sync=True,
        since="0.16.0",
        params=("event", "sink"),
        why="no adapter overrides it; the sink is an object of the worker",
    ),
    Method(
        name="format_tool_event",
        kind="local",
        sync=True,
        since="0.16.0",
        params=("event", "mode", "preview_max_len"),
        why="no adapter overrides it",
    ),
    # answered in the start message
    Method(
        name="supports_draft_streaming",
        kind="answered",
        sync=True,
        params=("chat_type", "metadata"),
        why="see CAPABILITIES",
    ),
    Method(
        name="streaming_overflow_limit",
        kind="answered",
        sync=True,
        since="0.17.0",
        why="see CAPABILITIES",
    ),
    Method(
        name="prefers_fresh_final_streaming",
        kind="answered",
        sync=True,
        since="0.17.0",
        params=("content", "metadata"),
        why="see CAPABILITIES",
    ),
    Method(
        name="_get_dm_topic_info",
        kind="answered",
        base=False,
        sync=True,
        params=("chat_id", "thread_id"),
        why="see CAPABILITIES; looked up on the class and called with the adapter",
    ),
    # the gateway's own
    *(
        Method(name=name, kind="gateway", sync=True, since=since, params=params, why=why)
        for name, since, params, why in (
            ("set_reaction_handler", "0.20.0", ("handler",), "reactions arrive in the gateway"),
            (
                "set_platform_event_handler",
                "0.21.3",
                ("handler",),
                "platform events arrive in the gateway",
            ),
            ("rewire_plugin_handlers", "0.21.3", (), "handlers on the platform's client"),
            (
                "set_owner_profile",
                "0.21.3",
                ("profile_name",),
                "which profile's bot it is, under multiplexing; a worker has one profile",
            ),
        )
    ),
    Method(
        name="connect", kind="gateway", params=("is_reconnect",), why="the pipe is the connection"
    ),
    Method(name="disconnect", kind="gateway", why="the pipe ends with the worker"),
    Method(
        name="set_message_handler", kind="local", sync=True, why="the worker's runner is wired so"
    ),
    Method(name="set_busy_session_handler", kind="local", sync=True, why="as set_message_handler"),
    Method(name="set_session_store", kind="local", sync=True, why="the profile's own store"),
    Method(
        name="set_fatal_error_handler",
        kind="local",
        sync=True,
        why="never fires: a broken pipe ends the worker instead",
    ),
    Method(
        name="set_topic_recovery_fn",
        kind="gateway",
        sync=True,
        since="0.16.0",
        why="rewrites the thread before a route is chosen: a second time would undo that choice",
    ),
    Method(
        name="set_authorization_check",
        kind="gateway",
        sync=True,
        since="0.18.0",
        why="asked by receiving adapters about senders of fetched context",
    ),
    Method(
        name="go_dormant",
        kind="absent",
        base=False,
        since="0.18.0",
        why="scale-to-zero of the gateway",
    ),
    Method(
        name="active_agent_work_count",
        kind="absent",
        base=False,
        sync=True,
        since="0.19.0",
        why="counts requests of the API server for the gateway's drain",
    ),
    Method(
        name="refresh_skill_group",
        kind="absent",
        base=False,
        sync=True,
        why="re-registers the bot's own menu with the calling process's skills: the default's here",
    ),
    Method(
        name="verify_http_event_request",
        kind="absent",
        base=False,
        since="0.19.0",
        why="inbound HTTP of the API server",
    ),
    Method(
        name="dispatch_http_event",
        kind="absent",
        base=False,
        since="0.19.0",
        why="inbound HTTP of the API server",
    ),
    # diagnostics and progress, from 0.20 on
    *(
        Method(name=name, kind="local", sync=sync, since="0.21.3", params=params, why=why)
        for name, sync, params, why in (
            (
                "emit_warning",
                False,
                ("chat_id", "content", "reply_to", "metadata", "logical_platform"),
                "the profile's own setting says whether people see it; then a relayed send",
            ),
            (
                "emit_media_warning",
                False,
                ("chat_id", "notice", "caption", "reply_to", "metadata", "shown_metadata"),
                "as emit_warning",
            ),
            (
                "warning_text",
                True,
                ("visible", "hidden", "logical_platform", "chat_id", "metadata"),
                "as emit_warning",
            ),
            (
                "warning_notifications_enabled",
                True,
                ("logical_platform", "chat_id", "metadata"),
                "as emit_warning",
            ),
            (
                "send_final_ledgered",
                False,
                ("event", "session_key", "text_content", "metadata", "reply_to"),
                "the delivery ledger is the profile's; each attempt is a relayed send",
            ),
            (
                "format_tool_preview",
                True,
                ("preview",),
                "asked in mid-turn about an object; Discord's and Slack's links are lost",
            ),
            (
                "message_len_fn_for_chat",
                True,
                ("chat_id",),
                "answers what the capability message_len_fn says, which is asked for this chat",
            ),
        )
    ),
    *(
        Method(
            name=name,
            kind="local",
            sync=sync,
            since="0.20.0",
            why="no bundled adapter can; the base class's own answer is no",
        )
        for name, sync in (
            ("supports_streaming_tts", True),
            ("begin_streaming_tts", False),
            ("write_streaming_tts", False),
            ("finish_streaming_tts", False),
            ("abort_streaming_tts", False),
        )
    ),
    Method(
        name="max_message_length_for_chat",
        kind="answered",
        sync=True,
        since="0.20.0",
        params=("chat_id",),
        why="see CAPABILITIES",
    ),
    Method(
        name="toolsets_for_source",
        kind="answered",
        sync=True,
        since="0.21.3",
        params=("source",),
        why="see CAPABILITIES",
    ),
    Method(
        name="stream_is_message_for_chat",
        kind="answered",
        base=False,
        sync=True,
        since="0.21.3",
        params=("chat_id",),
        why="see CAPABILITIES",
    ),
    Method(
        name="abandon_open_draft",
        kind="relay",
        base=False,
        since="0.21.3",
        params=("chat_id", "content", "metadata"),
        places=_CHAT,
        result="send_result",
        why="ends the live indicator of a stream whose turn was stopped",
    ),
    *(
        Method(name=name, kind="absent", base=False, sync=sync, since="0.20.6", why=why)
        for name, sync, why in (
            ("interrupt_active_runs", True, "runs of the API server, which a worker has not"),
            ("auto_thread_info_for_chat", True, "threads that Discord's connector makes by itself"),
            ("wait_for_auto_thread_info", False, "as auto_thread_info_for_chat"),
        )
    ),
    *(
        Method(name=name, kind="absent", base=False, sync=sync, since="0.21.3", why=why)
        for name, sync, why in (
            ("retire_clarify_card", False, "a click on the old card is told that it is too late"),
            ("native_task_cards_enabled", True, "Slack's cards; progress takes the usual way"),
            ("native_task_card_destination_supported", True, "as native_task_cards_enabled"),
            ("send_native_task_card_progress", False, "as native_task_cards_enabled"),
            ("stop_native_task_card_progress", False, "as native_task_cards_enabled"),
            ("supports_native_streaming", True, "WeCom's frames need its open reply; sent whole"),
            ("send_stream_frame", False, "as supports_native_streaming"),
            ("_effective_reply_in_thread", True, "the setting reply_in_thread answers instead"),
            ("prime_routing_cache", True, "routes of the gateway's own connector"),
            ("fronts_platform", True, "asked by /sethome, which is the gateway's"),
            ("scope_id_for_chat", True, "asked about homes and boards by the gateway's watchers"),
            ("send_for_platform", False, "deliveries of the gateway's own connector"),
            ("supports_inchannel_continuable_for_platform", True, "as send_for_platform"),
            ("list_channels", False, "the gateway's channel directory"),
            ("hold_redial", False, "scale-to-zero of the gateway"),
            ("release_redial", False, "scale-to-zero of the gateway"),
            ("run_internal_session_turn", False, "sessions of the API server"),
            ("_ensure_session_db", True, "sessions of the API server"),
            ("_is_dm_allowed", True, "access is decided at intake"),
            ("normalize_user_id", True, "access is decided at intake"),
            ("resolved_allowlist_user_ids", True, "access is decided at intake"),
            ("discard_pending_voice_input", True, "live voice channels"),
            ("_get_parent_channel_id", True, "live voice channels"),
            ("_thread_id_and_chat_for_channel", True, "live voice channels"),
            ("_resolve_channel_prompt", True, "live voice channels"),
            ("_resolve_channel_skills", True, "live voice channels"),
            ("_is_allowed_user", True, "live voice channels"),
        )
    ),
    # voice channels hold objects, callbacks and audio streams of the gateway process
    *(
        Method(
            name=name,
            kind="absent",
            base=False,
            sync=sync,
            since=since,
            why="live voice channels need the gateway's audio connection; Hermes answers that the "
            "platform has none",
        )
        for name, sync, since in (
            ("join_voice_channel", False, "0.13.0"),
            ("leave_voice_channel", False, "0.13.0"),
            ("get_user_voice_channel", False, "0.13.0"),
            ("is_in_voice_channel", True, "0.13.0"),
            ("play_in_voice_channel", False, "0.13.0"),
            ("get_voice_channel_info", True, "0.13.0"),
            ("get_voice_channel_context", True, "0.13.0"),
            ("play_ack_in_voice", False, "0.16.0"),
            ("voice_mixer_active", True, "0.16.0"),
        )
    ),
    # tools of one platform that take its adapter from the platform's module, not from the runner
    *(
        Method(
            name=name,
            kind="absent",
            base=False,
            why="a Yuanbao tool that reaches for the live adapter of its own process",
        )
        for name in ("get_group_member_list", "query_group_info", "send_dm", "send_sticker")
    ),
)


# -- capabilities that are asked once ----------------------------------------------------------

CAPABILITIES: Mapping[str, Capability] = _by_name(
    Capability(
        name="MAX_MESSAGE_LENGTH",
        ask="attribute",
        shape="int",
        expose="attribute",
        why="where streams and progress split; callers have defaults of their own (4096, 4000), so "
        "that an adapter without one must stay without one",
    ),
    Capability(
        name="message_len_fn",
        ask="unit",
        shape="text",
        expose="property",
        default="codepoints",
        why="the unit of every length; the worker returns LENGTH_FUNCTIONS[unit]",
    ),
    Capability(
        name="SUPPORTS_MESSAGE_EDITING",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=True,
        why="without it Hermes does not stream",
    ),
    Capability(
        name="REQUIRES_EDIT_FINALIZE",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=False,
        why="the last edit of a stream is made even with the same text; compared with `is True`",
    ),
    Capability(
        name="FALLBACK_ON_FINAL_EDIT_FLOOD",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=False,
        since="0.19.0",
        why="flood control on the last edit: send afresh at once; compared with `is True`",
    ),
    Capability(
        name="RESEND_FINAL_ON_EMPTY_STREAM_FALLBACK",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=False,
        since="0.19.0",
        why="a preview is not trusted as delivered; compared with `is True`",
    ),
    Capability(
        name="supports_code_blocks",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=False,
        since="0.17.0",
        why="terminal commands in progress bubbles as code blocks",
    ),
    Capability(
        name="supports_status_text",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=False,
        since="0.19.0",
        why="live status phrases beside the typing indicator",
    ),
    Capability(
        name="splits_long_messages",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=False,
        since="0.18.0",
        why="whether delivery truncates before it sends",
    ),
    Capability(
        name="typed_command_prefix",
        ask="attribute",
        shape="text",
        expose="attribute",
        default="/",
        since="0.17.0",
        why="how instructions spell a command on this platform",
    ),
    Capability(
        name="supports_async_delivery",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=True,
        since="0.18.0",
        why="whether tools may promise a later message",
    ),
    Capability(
        name="supports_inchannel_continuable",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=False,
        since="0.18.0",
        why="cron output that a plain channel reply continues",
    ),
    Capability(
        name="interactive_resume",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=True,
        since="0.19.0",
        why="whether a restored turn asks a person or finishes by itself",
    ),
    Capability(
        name="supports_exec_approval_buttons",
        ask="call",
        shape="bool",
        expose="method",
        default=False,
        since="0.21.3",
        why="Hermes asks the class whether it draws buttons itself; the real one does, the pipe "
        "adapter has only the method that asks for them",
    ),
    Capability(
        name="supports_draft_streaming",
        ask="call",
        shape="bool",
        expose="method",
        default=False,
        args=("chat_type", "metadata"),
        varies=("chat",),
        why="a session has one chat type, so one answer; the worker says no for any other",
    ),
    Capability(
        name="streaming_overflow_limit",
        ask="call",
        shape="int",
        expose="method",
        varies=("time",),
        since="0.17.0",
        why="Telegram's turns to None when the platform refuses a rich message; a stale answer is "
        "harmless, its edit splits what is too long",
    ),
    Capability(
        name="prefers_fresh_final_streaming",
        ask="constant",
        shape="bool",
        expose="method",
        default=False,
        varies=("content",),
        since="0.17.0",
        why="asked for every edit inside the worker's event loop, which cannot wait for the pipe: "
        "the worker edits, and the relay asks the real adapter about the last edit's text",
    ),
    Capability(
        name="max_message_length_for_chat",
        ask="call",
        shape="int",
        expose="method",
        default=4096,
        args=("chat_id",),
        varies=("chat",),
        since="0.20.0",
        why="a connector that fronts several platforms has a limit for each",
    ),
    Capability(
        name="toolsets_for_source",
        ask="call",
        shape="json",
        expose="method",
        args=("source",),
        varies=("chat",),
        since="0.21.3",
        why="a webhook's route may narrow the tools of its turns; it must do so in a worker, too",
    ),
    Capability(
        name="stream_is_message_for_chat",
        ask="call",
        shape="bool",
        expose="method",
        default=False,
        args=("chat_id",),
        varies=("chat",),
        since="0.21.3",
        why="whether a stream of drafts stays as the answer, for connectors of several platforms",
    ),
    Capability(
        name="draft_stream_is_message",
        ask="attribute",
        shape="bool",
        expose="attribute",
        default=False,
        since="0.21.3",
        why="as stream_is_message_for_chat",
    ),
    Capability(
        name="SUPPORTS_NATIVE_STREAMING",
        ask="constant",
        shape="bool",
        expose="attribute",
        default=False,
        since="0.20.0",
        why="see send_stream_frame",
    ),
    Capability(
        name="send_path_degraded",
        ask="constant",
        shape="bool",
        expose="property",
        default=False,
        since="0.21.3",
        why="as is_connected",
    ),
    Capability(
        name="reply_in_thread",
        ask="extra",
        shape="bool",
        expose="extra",
        default=True,
        why="whether Slack's progress opens a thread: the receiving bot's setting",
    ),
    Capability(
        name="_reply_to_mode",
        ask="attribute",
        shape="text",
        expose="attribute",
        since="0.21.3",
        why="whether Buzz's progress opens a thread",
    ),
    Capability(
        name="_get_dm_topic_info",
        ask="call",
        shape="json",
        expose="method",
        args=("chat_id", "thread_id"),
        varies=("chat",),
        why="a topic that the operator declared keeps its name; for any other place None",
    ),
    Capability(
        name="authorization_is_upstream",
        ask="constant",
        shape="bool",
        expose="property",
        default=True,
        since="0.18.0",
        why="the gateway has authorized the sender; the worker would judge by other lists",
    ),
    Capability(
        name="enforces_own_access_policy",
        ask="constant",
        shape="bool",
        expose="property",
        default=False,
        since="0.16.0",
        why="the policy has been applied at intake",
    ),
    Capability(
        name="name",
        ask="attribute",
        shape="text",
        expose="property",
        why="only for logs",
    ),
    Capability(
        name="platform",
        ask="constant",
        shape="text",
        expose="attribute",
        why="set from the start message; a plugin's platform must be registered in the worker too",
    ),
    Capability(
        name="has_fatal_error",
        ask="constant",
        shape="bool",
        expose="property",
        default=False,
        why="base: reconnecting is the gateway's business",
    ),
    Capability(
        name="fatal_error_code",
        ask="constant",
        shape="text",
        expose="property",
        why="as has_fatal_error",
    ),
    Capability(
        name="fatal_error_message",
        ask="constant",
        shape="text",
        expose="property",
        why="as has_fatal_error",
    ),
    Capability(
        name="fatal_error_retryable",
        ask="constant",
        shape="bool",
        expose="property",
        default=True,
        why="as has_fatal_error",
    ),
    Capability(
        name="is_connected",
        ask="constant",
        shape="bool",
        expose="property",
        default=True,
        why="the pipe is open",
    ),
    Capability(
        name="typing_indicator",
        ask="config",
        shape="bool",
        expose="config",
        default=True,
        why="off on the receiving adapter: no typing loop on either side",
    ),
    Capability(
        name="group_sessions_per_user",
        ask="extra",
        shape="bool",
        expose="extra",
        default=True,
        why="builds session keys: the worker's must be the ones that lanes are keyed by",
    ),
    Capability(
        name="thread_sessions_per_user",
        ask="extra",
        shape="bool",
        expose="extra",
        default=False,
        why="as group_sessions_per_user",
    ),
    Capability(
        name="disable_topic_auto_rename",
        ask="extra",
        shape="bool",
        expose="extra",
        default=False,
        why="whether titles rename topics: the receiving bot's setting; read from the runner's "
        "configuration, so that it belongs there too",
    ),
)


# -- attributes that Hermes uses directly ------------------------------------------------------

ADAPTER_STATE: Mapping[str, State] = _by_name(
    State(
        name="config", side="worker", since="0.18.2", why="built for the worker, without a token"
    ),
    State(name="gateway_runner", side="worker", why="the worker's own runner"),
    *(
        State(name=name, side="worker", why=why, since=since)
        for name, why, since in (
            ("_active_sessions", "the running turn's interrupt event", "0.13.0"),
            ("_session_tasks", "the running turn's task", "0.17.0"),
            ("_pending_messages", "follow-ups that wait", "0.13.0"),
            ("_post_delivery_callbacks", "functions of the runner", "0.13.0"),
            ("_busy_text_mode", "the profile's busy mode, set by who wires the adapter", "0.15.0"),
            ("_session_store", "the profile's own store", "0.18.0"),
            ("_auto_tts_default", "the profile's voice settings, synced by the runner", "0.13.0"),
            ("_auto_tts_enabled_chats", "the profile's /voice state", "0.13.0"),
            ("_auto_tts_disabled_chats", "the profile's /voice state", "0.13.0"),
            ("_should_auto_tts_for_chat", "decides by the three above", "0.20.0"),
            ("_message_handler", "the worker's runner is wired so", "0.21.3"),
            ("_expected_cancelled_tasks", "the worker's own turns", "0.21.3"),
            ("_run_processing_hook", "the pipe adapter's hooks do nothing", "0.21.3"),
            ("_busy_text_debounce_seconds", "the profile's busy mode", "0.21.3"),
            ("_busy_text_hard_cap_seconds", "the profile's busy mode", "0.21.3"),
            ("_human_delay_range_ms", "the profile's pauses between messages", "0.21.3"),
            ("_owner_profile", "None: a worker's own profile is its default one", "0.21.3"),
            ("_streaming_tts_turn_key", "spoken answers of the worker's turn", "0.21.3"),
            ("_streaming_tts_completed_turns", "spoken answers of the worker's turn", "0.21.3"),
            ("_streaming_tts_turn_completed", "spoken answers of the worker's turn", "0.21.3"),
            (
                "_mark_streaming_tts_completed_turn",
                "spoken answers of the worker's turn",
                "0.21.3",
            ),
        )
    ),
    *(
        State(name=name, side="absent", why=why, since=since)
        for name, why, since in (
            (
                "_bot",
                "a client with the bot's token; without it Hermes skips what needs one",
                "0.13.0",
            ),
            ("_voice_input_callback", "live voice channels", "0.13.0"),
            ("_on_voice_disconnect", "live voice channels", "0.13.0"),
            ("_voice_mode_getter", "live voice channels", "0.17.0"),
            ("_voice_sources", "live voice channels", "0.13.0"),
            ("_voice_text_channels", "live voice channels", "0.13.0"),
            ("_dm_policy", "access is decided at intake", "0.16.0"),
            ("_group_policy", "access is decided at intake", "0.17.0"),
            ("_groups", "access is decided at intake", "0.17.0"),
            ("_allow_from", "access is decided at intake", "0.21.3"),
            ("_allowed_user_ids", "access is decided at intake", "0.21.3"),
            ("_allowed_role_ids", "access is decided at intake", "0.21.3"),
            ("_guild_channel_labels", "live voice channels", "0.21.3"),
            ("_threads", "what Discord's adapter has taken part in", "0.21.3"),
            ("_host", "the API server's address", "0.21.3"),
            ("_port", "the API server's address", "0.21.3"),
            ("_api_key", "the API server's key", "0.21.3"),
            ("_model_name", "the API server's own", "0.21.3"),
            ("_sidecar_bind", "a helper process of the gateway's adapter", "0.21.3"),
            ("_sidecar_port", "a helper process of the gateway's adapter", "0.21.3"),
            ("_outbound", "the client of Yuanbao's live adapter", "0.21.3"),
            ("_matrix_session_scope", "shown by /status only; from the environment else", "0.17.0"),
        )
    ),
    *(
        State(name=name, side="gateway", why=why, since=since)
        for name, why, since in (
            ("DEGRADED_STATUS_MESSAGE", "the gateway's status of its connections", "0.21.3"),
            ("serves_profile_prefix", "HTTP listeners under multiplexing", "0.21.3"),
            ("_platform_lock_takeover_allowed", "the gateway's lock on a bot", "0.21.3"),
            ("_runtime_status_platform_key", "the gateway's status of its connections", "0.21.3"),
            ("_hermes_profile_name", "which profile's bot it is, under multiplexing", "0.21.3"),
            ("_shared_listener_profile", "HTTP listeners under multiplexing", "0.21.3"),
            ("_client", "the channel directory and voice, of connected adapters", "0.13.0"),
            ("_team_clients", "the channel directory, of connected adapters", "0.13.0"),
            ("_notifications_mode", "set while the gateway starts, until 0.18", "0.13.0"),
            ("_build_lark_client", "the sending engine's own adapter, until 0.18", "0.13.0"),
            ("_domain_name", "the sending engine's own adapter, until 0.18", "0.13.0"),
        )
    ),
)


# -- metadata ----------------------------------------------------------------------------------

METADATA_KEYS: Mapping[str, MetadataKey] = _by_name(
    MetadataKey(name="thread_id", role="place", why="the thread or topic on every platform"),
    MetadataKey(name="message_thread_id", role="place", why="Telegram's word for it"),
    MetadataKey(name="thread_ts", role="place", why="Slack's word for it"),
    MetadataKey(name="thread_name", role="place", why="Google Chat's word for it"),
    MetadataKey(name="root_id", role="place", why="Mattermost's word for it"),
    MetadataKey(name="direct_messages_topic_id", role="place", why="Telegram private topics"),
    MetadataKey(
        name="telegram_direct_messages_topic_id", role="place", why="Telegram private topics"
    ),
    MetadataKey(name="telegram_reply_to_message_id", role="message", why="Telegram reply anchor"),
    MetadataKey(name="reply_to_message_id", role="message", why="what a stream replies to"),
    MetadataKey(name="notify", role="flag", why="final text: the platform may ring"),
    MetadataKey(name="expect_edits", role="flag", why="a preview that will be edited"),
    MetadataKey(name="non_conversational", role="flag", why="status text, hidden from backfill"),
    MetadataKey(
        name="telegram_dm_topic_reply_fallback", role="flag", why="reply to stay in a private topic"
    ),
    MetadataKey(
        name="telegram_dm_topic_created_for_send", role="flag", why="the topic is new: no anchor"
    ),
    MetadataKey(name="slack_team_id", role="identity", why="the workspace, from the source"),
    MetadataKey(name="team_id", role="identity", why="as slack_team_id"),
    MetadataKey(name="requester_user_id", role="identity", why="who may answer a Matrix prompt"),
)

#: The fields of a result's `raw_response` that Hermes reads. Others are not sent: they may be
#: objects, which msgpack cannot encode.
RAW_RESPONSE_FIELDS = frozenset(
    {
        "message_ids",
        "thread_fallback",
        "requested_thread_id",
        "partial_overflow",
        "delivered_chunks",
        "total_chunks",
        "last_message_id",
        "delivered_prefix",
        "continuation_message_ids",
    }
)

#: Platforms whose `send` opens files that the text names by MEDIA directives or paths, in the
#: gateway's process. A worker removes these from its texts; else the relay refuses the call.
TEXT_OPENS_FILES = frozenset({"weixin"})

#: The fields of the dicts in a picker's `providers` and `choices`. Other fields are not sent: the
#: gateway must not learn the address of an endpoint.
PICKER_FIELDS = frozenset(
    {
        "slug",
        "name",
        "models",
        "total_models",
        "is_current",
        "is_user_defined",
        "source",
        "value",
        "label",
    }
)


# -- questions to the tables -------------------------------------------------------------------


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _utf8_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


#: The units of text length; the pipe carries only their names. Hermes compares with `len` itself.
LENGTH_FUNCTIONS: Mapping[str, Callable[[str], int]] = MappingProxyType(
    {"codepoints": len, "utf16": _utf16_units, "utf8": _utf8_bytes}
)

# Texts that tell the units apart: one to three UTF-8 bytes, an emoji, a joined sequence, empty.
_SAMPLES = ("a", "\u00e9", "\u4e2d", "\U0001f600", "x\U0001f468\u200d\U0001f469", "")


def length_unit(length: Callable[[str], int]) -> str | None:
    """Return the unit in which ``length`` counts a text, as its name in :data:`LENGTH_FUNCTIONS`.

    None means that it is none of them; the caller then uses the strictest unit, ``utf8``.
    """
    for unit, known in LENGTH_FUNCTIONS.items():
        if all(length(sample) == known(sample) for sample in _SAMPLES):
            return unit
    return None


def relayed_names() -> frozenset[str]:
    """Return the names of the methods whose calls a worker sends to the gateway.

    Tests use it to see that each of them is executed.
    """
    return frozenset(name for name, method in ADAPTER_METHODS.items() if method.crosses)


def decided_names() -> frozenset[str]:
    """Return all names of an adapter that the three tables list.

    A test compares them with the names that the installed Hermes uses: a name that is missing here
    needs a row.
    """
    return frozenset(ADAPTER_METHODS) | frozenset(CAPABILITIES) | frozenset(ADAPTER_STATE)
