"""Disks that take no more: lines of the table of `make faults`.

The gateway runs as an ordinary user: root may write where others may not.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.gateway.conftest import Stage, build_stage
from tests.gateway.failures.faults import ends_around as ends
from tests.gateway.failures.faults.moments import PLACES, model_asked, to_come
from tests.gateway.failures.faults.table import ANSWER, LINE, TABLE, Row, check
from tests.kit import FORUM, USER, FakeModel, FakeTelegram
from tests.kit.outside.mounts import mounted
from tests.kit.roots import ordinary_user

OBSTACLE = ordinary_user.obstacle()

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("clean"),
    pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}"),
]

#: Megabytes of the disks: of a home, and of a folder with little in it.
HOME, LITTLE = 64, 4


@pytest.fixture(scope="module")
def ordinary() -> bool:
    return True


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Iterator[Stage]:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    root, small = stage.root, stage.root.base / "small"
    routes = {str(PLACES[moment][1]): "career" for moment in (model_asked, to_come)}
    routes["90"] = "career"
    for topic in routes:
        telegram.add_topic(int(topic), f"topic {topic}")
    root.configure(
        {"gateway": {"profile_routes": {"telegram": {str(FORUM): routes, str(USER): "systems"}}}}
    )
    root.extra_environ["TMPDIR"] = str(small / "tmp")
    for folder in (small, root.path / "hermes-router"):
        folder.mkdir()
    with ExitStack() as disks:
        profiles = root.path / "profiles"
        profiles.rename(root.base / "profiles")
        profiles.mkdir()
        put_on_a_disk(disks, root.path, HOME)
        disks.enter_context(mounted(profiles, ("--bind", str(root.base / "profiles"))))
        put_on_a_disk(disks, root.profiles["career"].path, HOME)
        put_on_a_disk(disks, root.path / "hermes-router", LITTLE)
        put_on_a_disk(disks, small, LITTLE)
        (small / "tmp").mkdir()
        yield stage


def put_on_a_disk(disks: ExitStack, folder: Path, megabytes: int) -> None:
    """Move what is in a folder to a disk of so many megabytes, which is mounted there."""
    before = shutil.copytree(folder, folder.with_name(f"{folder.name}-before"), symlinks=True)
    small = ("-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "small")
    disks.enter_context(mounted(folder, small))
    shutil.copytree(before, folder, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(before)


BOTH = f"{LINE}, {ANSWER}"

ROWS = [
    Row(ends.home_full, {to_come: LINE, model_asked: ANSWER}),
    Row(ends.tmp_full, {to_come: ANSWER, model_asked: ANSWER}),
    Row(ends.tmp_gone, {to_come: ANSWER, model_asked: ANSWER}),
]

#: Only ``make faults`` has these.
ROWS_OF_THE_TABLE = [
    Row(ends.home_read_only, {to_come: LINE}),
    Row(ends.logs_a_file, {to_come: LINE, model_asked: ANSWER}),
    Row(ends.ledger_full, {to_come: BOTH, model_asked: ANSWER}),
    Row(ends.ledger_read_only, {to_come: BOTH}),
    Row(ends.ledger_full_and_killed, {to_come: LINE}),
    Row(ends.gateway_home_full, {to_come: ANSWER, model_asked: ANSWER}),
]
if TABLE:
    ROWS += ROWS_OF_THE_TABLE


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_each_message_has_the_promised_outcome(stage: Stage, row: Row) -> None:
    check(stage, row)
