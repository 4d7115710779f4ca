"""Logs do not grow for ever."""

import os

from cli.cluster.logfiles import rotate


def test_a_log_past_the_limit_is_cut_and_its_writer_goes_on(tmp_path):
    log, small = tmp_path / "apiserver.log", tmp_path / "scheduler.log"
    small.write_text("short")
    writer = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(writer, b"x" * 200)
    assert rotate(tmp_path, 100) == [log]
    os.write(writer, b"further")
    os.close(writer)
    assert log.read_bytes() == b"further"
    assert (tmp_path / "apiserver.log.1").read_bytes() == b"x" * 200
    assert small.read_text() == "short"
    assert rotate(tmp_path, 100) == []


def test_old_text_that_cannot_be_kept_is_dropped(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("x" * 200)
    (tmp_path / "a.log.1").mkdir()
    rotate(tmp_path, 100)
    assert log.read_text() == "" or log.stat().st_size == 200
