"""A real IRC server (ngIRCd) on 127.0.0.1, and people who use it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.kit.outside.programs import end

_SERVER = shutil.which("ngircd", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")
_SECONDS = 120.0
_CONFIG = """\
[Global]
Name = irc.kit.test
Info = kit
AdminInfo1 = kit
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = hello
[Limits]
MaxNickLength = 20
[Options]
DNS = no
Ident = no
PAM = no
SyslogFacility = local1
"""


def obstacle() -> str | None:
    """Return why no IRC server can run on this machine; None if one can.

    A test is skipped by it.
    """
    return None if _SERVER else "ngircd is not installed (Debian's package ngircd)"


class IrcServer:
    """One server process. A context manager; stopping it disconnects everybody."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._config = folder / "ngircd.conf"
        self._config.write_text(_CONFIG.format(port=self.port), "utf-8")
        self._log = folder / "ngircd.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(_SERVER), "-n", "-f", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise RuntimeError(f"ngircd does not serve:\n{self._log.read_text('utf-8')}")
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process)


class IrcUser:
    """Somebody who is connected; remembers what was said to them and in their channels."""

    def __init__(self, server: IrcServer, nick: str, *channels: str) -> None:
        self.nick = nick
        self.heard: list[tuple[str, str, str]] = []
        """Who said it, where, and what, in order; a private message is said in the own nick."""
        self._channels = channels
        self._present: dict[str, set[str]] = {}
        self._welcome = False
        self._socket = socket.create_connection(("127.0.0.1", server.port), 10)
        self._socket.settimeout(None)
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._listen, name=f"irc-{nick}", daemon=True)

    def __enter__(self) -> Self:
        self._send(f"NICK {self.nick}", f"USER {self.nick} 0 * :{self.nick}")
        self._thread.start()
        self._wait(lambda: self._welcome, "the server's welcome")
        for channel in self._channels:
            self._send(f"JOIN {channel}")
            self._wait(lambda channel=channel: self.nick in self._present.get(channel, ()), channel)
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._socket.close()

    def say(self, where: str, text: str) -> None:
        """Say a line in a channel or to somebody."""
        self._send(f"PRIVMSG {where} :{text}")

    def wait_present(self, channel: str, nick: str) -> None:
        """Wait until somebody is in a channel."""
        self._wait(lambda: nick in self._present.get(channel, ()), f"{nick} in {channel}")

    def wait_for(self, where: str, contains: str, *, after: int = 0) -> str:
        """Wait for a line in a channel that contains a text, and return it.

        Private messages are in the channel that has this user's nick as its name.

        The first ``after`` lines that this user has heard, in all places, do not count.
        """

        def found() -> str | None:
            lines = (what for _who, place, what in self.heard[after:] if place == where)
            return next((line for line in lines if contains in line), None)

        self._wait(lambda: found() is not None, f"{contains!r} in {where}, heard: {self.heard}")
        return found() or ""

    def _wait(self, reached: object, what: str) -> None:
        with self._news:
            if not self._news.wait_for(reached, _SECONDS):  # type: ignore[arg-type]
                raise TimeoutError(f"{self.nick} waited {_SECONDS:g} s for {what}")

    def _send(self, *lines: str) -> None:
        self._socket.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def _listen(self) -> None:
        with suppress(OSError), self._socket.makefile("rb") as stream:
            for line in stream:
                with self._news:
                    self._note(line.decode("utf-8", "replace").rstrip("\r\n"))
                    self._news.notify_all()

    def _note(self, line: str) -> None:
        prefix, _, rest = line[1:].partition(" ") if line.startswith(":") else ("", "", line)
        command, _, rest = rest.partition(" ")
        words, _, last = rest.partition(" :") if not rest.startswith(":") else ("", "", rest[1:])
        who, where = prefix.partition("!")[0], words.split(" ")[0] or last
        match command:
            case "PING":
                self._send(f"PONG :{last or words}")
            case "001":
                self._welcome = True
            case "353":  # who is there: <me> = <channel> :names
                names = {name.lstrip("@+%&~") for name in last.split()}
                self._present.setdefault(words.split(" ")[-1], set()).update(names)
            case "JOIN":
                self._present.setdefault(where, set()).add(who)
            case "PRIVMSG":
                self.heard.append((who, where, last))
