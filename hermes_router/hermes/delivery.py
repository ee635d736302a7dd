"""Send messages of workers to places outside their own conversation, by the real adapter.

The gateway's live adapter sends, with its connection and its credentials. Workers never get these
credentials. :mod:`hermes_router.relay.delivery_policy` decides where a profile may send.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import msgspec

from hermes_router.base.bounded import BoundedMap
from hermes_router.base.errors import RelayRefused
from hermes_router.config.model import RouterConfig
from hermes_router.hermes.compat.seams import sending
from hermes_router.protocol import messages as msg
from hermes_router.protocol.serialize import plain
from hermes_router.relay import delivery_policy
from hermes_router.relay.attachments import Spool
from hermes_router.relay.capabilities import names_files, relayed_methods
from hermes_router.relay.delivery_policy import Sender
from hermes_router.routing.table import Place
from hermes_router.state.delivered import DeliveredTexts
from hermes_router.state.known_conversations import KnownConversations

#: How many conversations keep the ids of their newest messages, and how many ids each keeps.
_REMEMBERED = 2048
_MESSAGES = 200

_PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif"})
_FILMS = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".3gp"})


class GatewayDelivery:
    """Carries out the ``deliver`` and ``react`` messages of the workers of one gateway.

    ``deliver`` sends a text with files, and ``react`` sets a reaction. Each names its conversation.
    ``seen`` are the known conversations, ``settled`` the texts that were sent for dead workers.
    """

    def __init__(
        self,
        runner: Any,
        seen: KnownConversations,
        settled: DeliveredTexts,
        config: Callable[[], Awaitable[RouterConfig]],
    ) -> None:
        self._runner = runner
        self._seen = seen
        self._settled = settled
        self._config = config
        self._heard: BoundedMap[str, deque[str]] = BoundedMap(_REMEMBERED)

    async def delivery_scope(self, sender: Sender) -> msg.DeliveryScope:
        """Return what a worker is told at its start: where it may send, and what is sent already.

        The latter are replies that were sent for workers of its profile that died: it must not
        repeat them.

        Raises:
            ConfigError: no configuration could be read since the gateway started.
        """
        names = {platform.value for platform in self._runner.adapters}
        names |= {sender.origin.platform} if sender.origin is not None else set()
        delivery_scope = delivery_policy.delivery_scope(
            await self._config(), sender, names, self._seen.of(sender.profile)
        )
        return msgspec.structs.replace(delivery_scope, settled=self._settled.of(sender.profile))

    def heard(self, place: Place, message_id: str | None) -> None:
        """Remember the id of a message that arrived in a place: a worker may put a reaction on it.

        The newest 200 ids of a conversation are kept, in memory only.
        """
        if message_id is not None:
            name = _spelled_with_bot(place)
            newest = self._heard.get(name, deque(maxlen=_MESSAGES))
            newest.append(str(message_id))
            self._heard[name] = newest

    def _reacted_to(self, target: Place, message: msg.React) -> str | None:
        """Return the id of the message that a reaction is for: the named one, or the newest.

        Raises:
            RelayRefused: the named message is not known in that conversation. An id is unique only
                in its chat, so it could belong to another conversation there.
        """
        heard = self._heard.get(_spelled_with_bot(target), ())
        if message.message_id is None:
            return heard[-1] if heard else None
        if message.message_id not in heard:
            raise RelayRefused(
                f"the gateway knows no message {message.message_id!r} in "
                f"{delivery_policy.spelled(target)}",
                call="react",
                target=delivery_policy.spelled(target),
            )
        return message.message_id

    def note_delivered(self, profile: str, sent: list[msg.DeliveredText]) -> None:
        """Remember the replies that were sent for a worker that died, also on the disk.

        The profile's next worker is told them, so that it does not send them again.
        """
        self._settled.add(profile, sent)

    async def carry(
        self, sender: Sender, message: msg.Deliver | msg.React, spool: Spool
    ) -> dict[str, Any]:
        """Send a worker's message, or set its reaction; return the result for the worker.

        The result is a mapping such as Hermes's own code for sending returns. With the key
        ``error`` it was not sent, or not completely.

        Raises:
            RelayRefused: the profile may not send there; nothing was sent.
            ProtocolError: a file of the message did not arrive completely.
            ConfigError: no configuration could be read since the gateway started.
        """
        wanted = Place(
            platform=message.platform,
            chat_id=message.chat_id,
            thread_id=message.thread_id or None,
        )
        seen = self._seen.of(sender.profile)
        target = delivery_policy.destination(await self._config(), sender, wanted, seen)
        adapter = sending.adapter_named(self._runner, message.platform, target.bot)
        if adapter is None:
            return {"error": f"the gateway is not connected to {message.platform}"}
        if isinstance(message, msg.Deliver) and names_files(adapter, message.text):
            return {"error": f"a text for {message.platform} may not name a file: attach it"}
        if isinstance(message, msg.React):
            return await _react(adapter, target, message, self._reacted_to(target, message))
        with ExitStack() as claimed:
            files = []
            for index, reference in enumerate(message.files):
                path = spool.claim(reference)
                claimed.callback(spool.release, path)
                files.append((path, index in message.voice))
            return await _Parcel(self._runner, adapter, target, message, files).send()


def _spelled_with_bot(place: Place) -> str:
    """Return the text form of a conversation; each bot counts the messages of a private chat."""
    return f"{place.bot or ''} {delivery_policy.spelled(place)}"


class _Parcel:
    """One message with its files, for one place."""

    def __init__(
        self,
        runner: Any,
        adapter: Any,
        target: Place,
        message: msg.Deliver,
        files: Sequence[tuple[Path, bool]],
    ) -> None:
        self._runner = runner
        self._adapter = adapter
        self._target = target
        self._message = message
        self._files = files
        self._metadata = sending.place_metadata(target)
        self._sent: list[str] = []

    async def send(self) -> dict[str, Any]:
        """Send the text and then the files; stop at the first failure."""
        calls, left_out = self._file_calls()
        text, caption = self._message.text, None
        if len(calls) == 1 and not left_out:
            caption = sending.caption_of(text, self._files)
        if caption is not None:
            calls[0][1]["caption"] = caption
        elif text.strip():
            chunks = sending.chunks(self._adapter, text)
            calls = [*(("send", {"content": chunk}) for chunk in chunks), *calls]
        if not calls:
            return self._outcome(error=left_out or "there is nothing to send")
        for name, arguments in calls:
            failure = await self._call(name, arguments)
            if failure is not None:
                return self._outcome(error=failure)
        return self._outcome(warnings=[left_out] if left_out else [])

    def _file_calls(self) -> tuple[list[tuple[str, dict[str, Any]]], str]:
        """Return the adapter calls that send the files, and a warning about all other files."""
        able = relayed_methods(self._adapter)
        calls, left_out = [], []
        for path, voice in self._files:
            name, arguments = self._file_call(path, voice=voice)
            if name in able:
                calls.append((name, arguments))
            else:
                left_out.append(path.name)
        names = ", ".join(left_out)
        return calls, f"{self._target.platform} cannot be sent {names}" if names else ""

    def _file_call(self, path: Path, *, voice: bool) -> tuple[str, dict[str, Any]]:
        """Return the name of the adapter's method for a file, and the arguments with its path."""
        kind = path.suffix.lower()
        if sending.goes_as_audio(self._adapter, kind, voice=voice):
            return "send_voice", {"audio_path": str(path)}
        if kind in _FILMS and not self._message.as_documents:
            return "send_video", {"video_path": str(path)}
        if kind in _PICTURES and not self._message.as_documents:
            return "send_image_file", {"image_path": str(path)}
        return "send_document", {"file_path": str(path)}

    async def _call(self, name: str, arguments: dict[str, Any]) -> str | None:
        """Call the adapter; return the error text, or None.

        An adapter that has just connected refuses for some seconds and says that a retry helps, so
        the call is made again. An adapter that the gateway disconnected for its stop is not called:
        it would wait for a new connection.
        """
        for seconds in (*sending.RETRY_SECONDS, None):
            if sending.disconnected_for_good(self._runner, self._adapter):
                return (
                    f"the gateway stops, and is not connected to {self._target.platform} any more"
                )
            try:
                result = await getattr(self._adapter, name)(
                    chat_id=self._target.chat_id, metadata=dict(self._metadata) or None, **arguments
                )
            except Exception as error:  # noqa: BLE001 - boundary: an adapter may raise anything
                return repr(error)
            if result is None or result.success:
                break
            pause = max(seconds or 0.0, sending.asked_to_wait(result))
            if (
                seconds is None
                or not sending.may_be_repeated(result)
                or pause > sending.PATIENCE_SECONDS
            ):
                return str(result.error or f"{self._target.platform} did not accept it")
            await anyio.sleep(pause)
        number = getattr(result, "message_id", None)
        self._sent += [str(number)] if number is not None else []
        return None

    def _outcome(self, *, error: str = "", warnings: Sequence[str] = ()) -> dict[str, Any]:
        target = self._target
        outcome: dict[str, Any] = {"platform": target.platform, "chat_id": target.chat_id}
        if target.thread_id is not None:
            outcome["thread_id"] = target.thread_id
        if error:
            partly = f" ({len(self._sent)} of its parts were sent before)" if self._sent else ""
            where = delivery_policy.spelled(target)
            return outcome | {"error": f"{where} did not get the message: {error}{partly}"}
        outcome |= {"success": True, "message_id": self._sent[-1] if self._sent else None}
        return outcome | ({"warnings": list(warnings)} if warnings else {})


async def _react(
    adapter: Any, target: Place, message: msg.React, message_id: str | None
) -> dict[str, Any]:
    """Put a reaction on a message, or take it away."""
    try:
        value = await sending.react(adapter, str(target.chat_id), message_id, message.emoji)
    except Exception as error:  # noqa: BLE001 - boundary: an adapter may raise anything
        return {"error": f"Reaction failed: {error!r}"}
    if value is None:
        return {"error": f"Platform '{target.platform}' does not support message reactions."}
    if isinstance(value, dict):
        return dict(plain(value))
    return {"success": True} if value else {"error": "The platform did not accept the reaction."}
