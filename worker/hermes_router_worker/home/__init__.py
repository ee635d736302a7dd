"""Workers of one profile share its home: a worker writes only what is its own.

Hermes was written for one gateway per home. It keeps several maps in memory and saves each of them
as a whole. If two processes do this, the one that saves last deletes what the other wrote. The
guards in this package prevent that; they are installed on the objects of this worker. They all
follow one rule, under a lock that all workers of the home share:

    A process writes only what it has changed since it last read. Before that, it reads into memory
    what other processes have changed meanwhile.

=======================  ===========================================================================
:mod:`.session_rows`     sessions: each save merges per key and per field
:mod:`.process_records`  background processes: a file per worker, locked while the worker lives
:mod:`.delegations`      delegation results: a worker takes only those of its session
:mod:`.maps`             /voice: Hermes saves the modes as a whole; merged per chat
:mod:`.guards`           .env, restart counts: Hermes changes them without a lock; locked.
                         gateway_state.json would name this worker as the gateway: not written
:mod:`.transcripts`      lines of the history that the database refused: one process writes them
:mod:`.left_files`       half-written files and locks of killed processes: removed when nobody holds
                         them
:mod:`.bundled_skills`   once per Hermes version, one worker at a time
=======================  ===========================================================================

A profile's own gateway may run beside its workers. It has no guards, and drops rows that it does
not know. So workers keep a second copy of their session rows where the gateway does not write.

Each guard checks that this Hermes has the members that it needs. If one is missing,
:class:`hermes_router_worker.hermes.patching.MissingPoint` names it, and the worker does not start.
Installing the guards reads no session state and takes well under 2 ms.
"""
