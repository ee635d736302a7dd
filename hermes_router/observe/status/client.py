"""Asking a running gateway what it does."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import msgspec

from hermes_router.errors import RouterError
from hermes_router.observe.status import messages as status
from hermes_router.observe.status.unix_path import short

_SECONDS = 5.0


class NoAnswer(RouterError):
    """There is no answer; ``state`` is ``not running``, ``stale`` or ``does not answer``."""

    def __init__(self, state: str, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.state = state


def ask(home: Path, what: str = "status", *, seconds: float = _SECONDS) -> status.Answer:
    """Return what the gateway of a home answers.

    Raises:
        NoAnswer: nobody listens, or nobody answers in time.
    """
    path = status.socket_of(home)
    try:
        line = _exchange(path, status.encode(status.Ask(ask=what)), seconds)
        answer = status.decode_answer(line)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoAnswer(
            "not running",
            "no gateway with hermes-router runs here",
            hint="hermes gateway run; then, if it does not help: hermes-router doctor",
        ) from error
    except ConnectionRefusedError as error:
        raise NoAnswer(
            "stale",
            "the gateway that ran here was killed; nobody listens any more",
            where=str(path),
            hint="hermes gateway run",
        ) from error
    except PermissionError as error:
        hint = "ask as the user that runs the gateway"
        raise NoAnswer(
            "not allowed", "the gateway is another user's", where=str(path), hint=hint
        ) from error
    except (OSError, msgspec.MsgspecError) as error:
        raise NoAnswer(
            "does not answer",
            f"the gateway does not answer: {error}",
            where=str(path),
            hint="it may be very busy, or hang: hermes-router logs --since 5m",
        ) from error
    if answer.error is not None:
        hint = "the gateway runs another version of hermes-router: restart it"
        raise NoAnswer("another version", answer.error, hint=hint)
    return answer


def _exchange(path: Path, request: bytes, seconds: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        with short(path) as name:
            connection.connect(name)
        connection.sendall(request)
        answer = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while not answer.endswith(b"\n") and len(answer) < status.MAX_ANSWER:
                piece = connection.recv(1 << 16)
                if not piece:
                    break
                answer += piece
    if not answer:
        raise OSError("it closed the connection without a word")
    return bytes(answer)
