"""Workers of one profile share its home: a worker writes only what is its own.

Hermes was written for one gateway per home. It keeps several maps in memory and saves each of them
whole, so that of two processes the one that saves last deletes what the other wrote. Here are the
guards against that, installed on the instances of this worker. They have one idea:

    what this process changed since it last read goes to disk, nothing else does, and what others
    changed meanwhile comes back into memory - under a lock that all workers of the home share.

=======================  ===========================================================================
:mod:`.session_rows`     sessions: each save merges per key and per field
:mod:`.process_records`  background processes: a file per worker, locked while the worker lives
:mod:`.delegations`      delegation results: only those of this session are taken
:mod:`.maps`             /voice, dead chats: saved whole from memory by Hermes; merged per key
:mod:`.guards`           .env, restart counts: changed without a lock by Hermes; serialised.
                         gateway_state.json would name this worker as the gateway; not written
:mod:`.bundled_skills`   once per Hermes version, one worker at a time
=======================  ===========================================================================

A profile's own gateway may run beside its workers, without these guards, and drop the rows that it
does not know. Workers therefore keep their session rows a second time, out of its reach.

Each guard checks that what it guards is there. What a version of Hermes lacks is named by
:class:`hermes_router_worker.hermes.patching.MissingPoint`, and the worker does not start.
Installing the guards reads no session state and takes well under 2 ms.
"""
