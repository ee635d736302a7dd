"""What the kernel tells of the memory that is free, and what the gateway makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.workers.memory.memory_watch import Memory, MemoryWatch, Room, memory_now

MIB = 2**20
STALLED = "some avg10=70.00 avg60=0.00 avg300=0.00 total=1\nfull avg10={} avg60=0.00 total=1\n"


class Kernel:
    """The files of a kernel that tells of memory."""

    def __init__(self, base: Path) -> None:
        self.proc, self.groups = base / "proc", base / "cgroup"
        self.write(self.proc / "meminfo", "MemTotal: 4194304 kB\nMemAvailable: 2097152 kB\n")

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def now(self) -> Memory | None:
        return memory_now(self.proc, self.groups)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_without_groups_the_machine_is_the_bound(kernel: Kernel) -> None:
    assert kernel.now() == Memory(2048 * MIB, 4096 * MIB)


def test_a_kernel_that_tells_nothing_has_enough(tmp_path: Path) -> None:
    assert memory_now(tmp_path, tmp_path) is None
    assert MemoryWatch(lambda: None).room() == (Room.ENOUGH, 0)


def test_the_tightest_group_around_this_process_is_the_bound(kernel: Kernel) -> None:
    kernel.write(kernel.proc / "self" / "cgroup", "0::/outer/inner\n")
    for path, limit, used in (("outer", 1000, 900), ("outer/inner", 2000, 800)):
        folder = kernel.groups / path
        kernel.write(folder / "memory.max", f"{limit * MIB}\n")
        kernel.write(folder / "memory.current", f"{used * MIB}\n")
        stat = f"anon 1\nactive_file {40 * MIB}\ninactive_file {60 * MIB}\n"
        kernel.write(folder / "memory.stat", stat)
    assert kernel.now() == Memory(200 * MIB, 1000 * MIB)


def test_groups_of_the_first_version_count_too(kernel: Kernel) -> None:
    lines = "5:cpu,cpuacct:/\n4:memory:/mine\n0::/\n"
    kernel.write(kernel.proc / "self" / "cgroup", lines)
    folder = kernel.groups / "memory" / "mine"
    kernel.write(folder / "memory.limit_in_bytes", f"{512 * MIB}\n")
    kernel.write(folder / "memory.usage_in_bytes", f"{500 * MIB}\n")
    kernel.write(folder / "memory.stat", f"total_inactive_file {8 * MIB}\n")
    kernel.write(kernel.groups / "memory" / "memory.limit_in_bytes", f"{2**63 - 4096}\n")
    assert kernel.now() == Memory(20 * MIB, 512 * MIB)


def test_a_group_without_a_limit_bounds_nothing(kernel: Kernel) -> None:
    kernel.write(kernel.proc / "self" / "cgroup", "0::/\n")
    kernel.write(kernel.groups / "memory.max", "max\n")
    assert kernel.now() == Memory(2048 * MIB, 4096 * MIB)


def test_how_long_everybody_waits_is_read(kernel: Kernel) -> None:
    kernel.write(kernel.proc / "pressure" / "memory", STALLED.format("33.50"))
    assert kernel.now() == Memory(2048 * MIB, 4096 * MIB, 33.5)


def rooms(*frees: int, reserve: int = 100, stalled: float = 0.0) -> list[Room]:
    """Return what each look allows, with so many MiB free."""
    found = iter(frees)
    watch = MemoryWatch(lambda: Memory(next(found) * MIB, 10_000 * MIB, stalled))
    watch.reserve = reserve * MIB
    return [watch.room(now=True)[0] for _ in frees]


def test_it_gets_tight_before_it_gets_short_and_is_enough_only_well_above() -> None:
    seen = rooms(300, 199, 99, 150, 250, 300, 250)
    enough, tight, short = Room.ENOUGH, Room.TIGHT, Room.SHORT
    assert seen == [enough, tight, short, tight, tight, enough, enough]


def test_everybody_who_waits_for_memory_makes_it_tight() -> None:
    assert rooms(5000, stalled=19.0) == [Room.ENOUGH]
    assert rooms(5000, stalled=30.0) == [Room.TIGHT]


@pytest.mark.parametrize(("free", "room"), [(499, Room.SHORT), (999, Room.TIGHT)])
def test_without_a_setting_a_part_of_all_memory_stays_free(free: int, room: Room) -> None:
    assert rooms(free, reserve=0) == [room]


def test_a_look_is_good_for_a_moment() -> None:
    found = iter([Memory(1, 100 * MIB), Memory(90 * MIB, 100 * MIB)])
    watch = MemoryWatch(lambda: next(found))
    assert [watch.room()[0], watch.room()[0]] == [Room.SHORT, Room.SHORT]
    assert watch.room(now=True)[0] is Room.ENOUGH
