"""Compare what the running gateway does with the files that the commands read."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hermes_router.config.digest import digest
from hermes_router.config.model import RouterConfig
from hermes_router.state import running
from hermes_router.state.running import Running

State = Literal["offline", "not-running", "without-router", "hidden", "older", "refused", "serving"]


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """What the running gateway does, compared with the configuration on disk.

    ``state`` is one word for programs, ``what`` a sentence for people; ``mend`` says what to do
    about it. ``offline``: the gateway was not asked. ``hidden``: its record belongs to another
    user. ``older``: it runs older code or an older table, or will read a corrected file only at the
    next message. ``refused``: its file is broken, so it keeps the last good table, if any.
    """

    state: State
    what: str
    mend: str = ""
    pid: int | None = None
    record: Running | None = None

    @property
    def fine(self) -> bool:
        """True if the gateway does what the files say, as far as is known."""
        return self.state in {"offline", "serving", "not-running"}

    def fields(self) -> dict[str, Any]:
        """Return the result as the JSON answers show it."""
        record = self.record
        return {
            "state": self.state,
            "what": self.what,
            "mend": self.mend,
            "pid": self.pid,
            "router": record.code.router if record else None,
            "hermes": record.code.hermes if record else None,
            "protocol": record.code.protocol if record else None,
            "table": record.table if record else None,
            "routes": record.routes if record else None,
            "refused": list(record.refused) if record else [],
        }


OFFLINE = Serving(state="offline", what="the gateway was not asked (--offline)")


def compare(
    pid: int | None,
    record: Running | None,
    config: RouterConfig | None,
    restart: str,
    doctor: str,
) -> Serving:
    """Compare the gateway ``pid`` and its record with ``config``.

    ``restart`` is the command that restarts that gateway, ``doctor`` the one that checks it.
    """
    if pid is None:
        return Serving(state="not-running", what="not running")
    if record is None or record.pid != pid:
        return Serving(
            state="without-router",
            what=f"running, process {pid}, without the router: it routes nothing",
            mend=f"{doctor} finds why",
            pid=pid,
        )
    return _compared(record, config, restart)


def hidden(pid: int | None) -> Serving:
    """Return the result for a gateway whose record this user may not read."""
    return Serving(
        state="hidden",
        what="another user owns the file that says what it runs",
        mend="run this as the user that runs the gateway",
        pid=pid,
    )


def _compared(record: Running, config: RouterConfig | None, restart: str) -> Serving:
    state: State = "serving"
    what = f"running, process {record.pid}, serving {_routes(record.routes)}"
    mend = ""
    older = [word for word, is_older in _older(record).items() if is_older]
    if older:
        state, mend = "older", restart
        what = f"running, process {record.pid}, with an older {' and an older '.join(older)}"
    elif config is None or (record.refused and not record.edited()):
        # A gateway that started with this file may lack the platforms that it names.
        after = "no restart is needed" if record.table else f"then {restart}"
        state, mend = "refused", f"correct the file; {after}"
        what = f"running, process {record.pid}, with {_table(record)}: it refuses the file"
    elif record.table != digest(config):
        state, mend = "older", "nothing: the gateway reads the file at the next message"
        what = f"running, process {record.pid}, with {_table(record)}"
    return Serving(state=state, what=what, mend=mend, pid=record.pid, record=record)


def _older(record: Running) -> dict[str, bool]:
    """Say for router and Hermes whether the installed version differs from the running one."""
    now = running.installed()
    if now.python != record.code.python:  # another installation: its versions say nothing
        return {}
    return {
        "router": now.router_code != record.code.router_code,
        "Hermes": running.is_other_hermes(record.code, now),
    }


def _table(record: Running) -> str:
    return f"an older table of {_routes(record.routes)}" if record.table else "no table"


def _routes(count: int) -> str:
    return f"{count} route{'' if count == 1 else 's'}"


def kept(record: Running | None, pid: int | None) -> str:
    """Return a sentence about what the gateway does until its broken file is corrected.

    ``record`` is the gateway's own record, ``pid`` its process id; None if there is none.
    """
    if record is not None and record.table is not None:
        return f"until then the gateway keeps its last good table, of {_routes(record.routes)}"
    if record is None and pid is not None:
        return "until then the gateway keeps its last good table, if it had one"
    return "a gateway that starts with this file answers in no place until you correct it"
