"""The files of a worker: their bytes are counted right, whoever counts at the same time."""

from __future__ import annotations

from threading import Thread

import pytest

from hermes_router.base.errors import WorkerOverLimit
from hermes_router.protocol.messages import Chunk, FileRef
from hermes_router.relay.attachments import Spool


def test_a_file_that_is_released_while_a_chunk_is_counted_is_counted_out() -> None:
    """A thread appends chunks; the event loop releases what a call has sent."""
    spool, threads = Spool(limit=10), list[Thread]()
    spool.append(Chunk(stream=1, data=b"first!"))
    first = spool.claim(FileRef(stream=1, name="first", size=6))

    class Data(bytes):
        """Lets the other thread release the first file in the middle of the count."""

        def __len__(self) -> int:
            if spool._sizes and not threads:
                threads.append(Thread(target=spool.release, args=(first,)))
                threads[0].start()
                threads[0].join(0.5)  # for ever, if the other has to wait for the count
            return super().__len__()

    try:
        spool.append(Chunk(stream=2, data=Data(b"2nd!")))
        threads[0].join(60)
        spool.append(Chunk(stream=2, data=b"and on"))
        with pytest.raises(WorkerOverLimit):
            spool.append(Chunk(stream=2, data=b"!"))
    finally:
        spool.close()
