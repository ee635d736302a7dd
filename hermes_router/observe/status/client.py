"""Ask a running gateway for its status or its metrics."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import msgspec

from hermes_router.base.errors import RouterError
from hermes_router.observe.status import messages
from hermes_router.observe.status.unix_path import short

_SECONDS = 5.0


class NoAnswer(RouterError):
    """The gateway gave no answer; ``state`` is the reason in a few words.

    It is ``not running``, ``stale``, ``not allowed``, ``does not answer`` or ``another version``.
    The commands add ``without router`` for a gateway that runs without the router, and the hints
    that name a command: only they know how a person calls it.
    """

    def __init__(self, state: str, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.state = state


def ask(home: Path, what: str = "status", *, seconds: float = _SECONDS) -> messages.Answer:
    """Return the answer of the gateway that runs with this home; wait at most ``seconds``.

    Raises:
        NoAnswer: no gateway listens, it may not be asked, or it gave no valid answer in time.
    """
    path = messages.socket_of(home)
    try:
        line = _exchange(path, messages.encode(messages.Ask(ask=what)), seconds)
        answer = messages.decode_answer(line)
    except (FileNotFoundError, NotADirectoryError) as error:
        message = "no gateway with hermes-router is running here"
        raise NoAnswer("not running", message) from error
    except ConnectionRefusedError as error:
        message = "the gateway that ran here was killed"
        raise NoAnswer("stale", message, where=str(path)) from error
    except PermissionError as error:
        hint = "run this as the user that runs the gateway"
        raise NoAnswer(
            "not allowed", "another user runs the gateway", where=str(path), hint=hint
        ) from error
    except (OSError, msgspec.MsgspecError) as error:
        message = f"the gateway does not answer: {error}"
        raise NoAnswer("does not answer", message, where=str(path)) from error
    if answer.error is not None:
        raise NoAnswer("another version", answer.error)
    return answer


def _exchange(path: Path, request: bytes, seconds: float) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        with short(path) as name:
            connection.connect(name)
        connection.sendall(request)
        answer = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while not answer.endswith(b"\n") and len(answer) < messages.MAX_ANSWER:
                piece = connection.recv(1 << 16)
                if not piece:
                    break
                answer += piece
    if not answer:
        raise OSError("it closed the connection without an answer")
    return bytes(answer)
