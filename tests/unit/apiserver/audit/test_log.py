"""The file of the audit log: rotation, and several processes at one file."""

import os
from datetime import timedelta

import orjson
import pytest

from apiserver.audit.log import AuditLog
from kit import clock


def numbers(folder):
    lines = []
    for path in sorted(folder.glob("audit.log*")):
        if path.suffix != ".lock":
            lines += [orjson.loads(line)["n"] for line in path.read_bytes().splitlines()]
    return sorted(lines)


def test_nothing_is_lost_by_rotation(tmp_path):
    log = AuditLog(tmp_path / "audit.log", max_bytes=300, backups=50)
    for number in range(100):
        log.write({"n": number})
    log.close()
    assert numbers(tmp_path) == list(range(100))
    assert all(path.stat().st_size <= 300 for path in tmp_path.glob("audit.log*"))


def test_writers_share_a_file(tmp_path):
    logs = [AuditLog(tmp_path / "audit.log", max_bytes=2000, backups=50) for _ in range(3)]
    for number in range(900):
        logs[number % 3].write({"n": number})
    assert numbers(tmp_path) == list(range(900))
    for log in logs:
        log.close()


@pytest.mark.parametrize(("days", "kept"), [(30, False), (0, True)])
def test_age(tmp_path, days, kept):
    old = tmp_path / "audit.log.1"
    old.write_text("")
    then = (clock.now() - timedelta(days=31)).timestamp()
    os.utime(old, (then, then))
    log = AuditLog(tmp_path / "audit.log", max_bytes=10, max_days=days)
    for number in range(2):
        log.write({"n": number})
    log.close()
    assert (tmp_path / "audit.log.2").exists() is kept


def test_only_the_owner_may_read(tmp_path):
    AuditLog(tmp_path / "audit.log").close()
    assert (tmp_path / "audit.log").stat().st_mode & 0o777 == 0o600
