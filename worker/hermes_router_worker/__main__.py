"""``python -m hermes_router_worker -p PROFILE``: one worker on descriptors 0 and 1.

It writes only protocol frames to descriptor 1, and everything else to descriptor 2, the profile's
worker log. The router starts it, not people.
"""

from __future__ import annotations

import argparse
import atexit
import os
import sys
from pathlib import Path
from typing import NoReturn

from hermes_router_worker.hermes.features import kanban
from hermes_router_worker.process import linux, scratch
from hermes_router_worker.process.connection import claim_stdio
from hermes_router_worker.process.supervisor import supervise
from hermes_router_worker.send import ssh


def main() -> int:
    """Run a worker, or with ``--template`` a template that forks workers; return the exit status.

    Only a worker returns from here. The process around it, the supervisor, ends inside this
    function, and so does a template.
    """
    parser = argparse.ArgumentParser(prog="hermes_router_worker")
    parser.add_argument("-p", "--profile", required=True)
    parser.add_argument("--grace", type=float, default=5.0)
    parser.add_argument("--template", type=int, metavar="FD", help="fork workers on request")
    parser.add_argument("--new-privs", action="store_true", help="let programs gain privileges")
    parser.add_argument("--share-auth", action="store_true", help="also use the root's logins")
    parser.add_argument("--share-ssh", action="store_true", help="use the account's ssh keys")
    parser.add_argument("--no-board", action="store_true", help="refuse the kanban board")
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--tmp", metavar="FOLDER", help="create TMPDIR in this folder")
    options = parser.parse_args()
    os.umask(0o077)
    linux.be_ended_before_others()
    linux.leave_no_core()
    if not options.new_privs:
        linux.give_up_new_privileges()
    if options.share_ssh:
        ssh.use_accounts()
    if options.no_board:
        kanban.hide(options.profile)
    if options.tmp is not None:
        scratch.move_into(options.tmp)
    if options.template is not None:
        from hermes_router_worker.startup import template

        template.main(options.profile, options.template, options.tmp, share_auth=options.share_auth)
    else:
        limits = {name: float(value) for name, value in map(_halves, options.limit)}
        supervise(
            options.grace,
            limits,
            profile=options.profile,
            remove_tmpdir=options.tmp is not None,
        )
    inbound, outbound = claim_stdio()
    from hermes_router_worker import lifecycle

    return lifecycle.main(
        options.profile,
        inbound,
        outbound,
        forked=options.template is not None,
        share_auth=options.share_auth,
    )


def _halves(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return name, value


def leave(status: int) -> NoReturn:
    """End the process with this exit status, without waiting for threads, which may hang for ever.

    Python's exit functions run first, unless the profile's home is gone: they would create folders
    where the home was. The supervisor then ends what the process started.
    """
    if Path(os.environ["HERMES_HOME"]).is_dir():
        atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
