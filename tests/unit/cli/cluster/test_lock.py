"""One command at a time in a cluster's directory."""

import os
import shutil

import pytest

from cli.cluster.lock import Busy, held, take


def test_the_lock_is_given_once_and_again_when_it_is_back(tmp_path):
    path = tmp_path / "run" / "lock"
    with held(path, 0.0), pytest.raises(Busy, match="at work in"):
        take(path, 0.05)
    with held(path, 0.0):
        pass


def test_a_lock_that_was_removed_with_the_cluster_counts_no_more(tmp_path):
    path = tmp_path / "run" / "lock"
    first = take(path, 0.0)
    shutil.rmtree(path.parent)
    second = take(path, 0.0)
    os.close(first)
    with pytest.raises(Busy):
        take(path, 0.0)
    os.close(second)
