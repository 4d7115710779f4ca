"""Code that takes too long is interrupted, whatever it does; timers of others are given back."""

import signal
import threading
import time

import pytest

from kit.deadline import TooLong, run_within


def _spin():
    while True:
        pass


def _spin_and_catch():
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def _sleep():
    time.sleep(60)


def _swallow_once():
    try:
        _spin()
    except BaseException:
        _spin()


@pytest.mark.parametrize("what", [_spin, _spin_and_catch, _sleep, _swallow_once], ids=lambda f: f.__name__)
def test_what_hangs_is_interrupted(what):
    with pytest.raises(TooLong, match=r"interrupted after 0\.02 s") as caught:
        run_within(0.02, what)
    cause = caught.value.__cause__
    assert cause is not None
    names = []
    step = cause.__traceback__
    while step is not None:
        names.append(step.tb_frame.f_code.co_name)
        step = step.tb_next
    assert what.__name__ in names


def test_what_returns_or_raises_in_time_does_so():
    assert run_within(1.0, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        run_within(1.0, lambda: 1 // 0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("limit_s", [0.0, 0.01], ids=["no-limit", "in-a-thread"])
def test_without_a_limit(limit_s):
    def busy() -> str:
        end = time.thread_time() + 0.03
        while time.thread_time() < end:
            pass
        return "done"

    found = []
    if not limit_s:
        assert run_within(0.0, busy) == "done"
        return
    thread = threading.Thread(target=lambda: found.append(run_within(limit_s, busy)))
    thread.start()
    thread.join()
    assert found == ["done"]


def test_a_timer_of_somebody_else_is_given_back():
    heard = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: heard.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(TooLong):
            run_within(0.01, _spin)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.05
        end = time.monotonic() + 5
        while not heard and time.monotonic() < end:
            pass
        assert heard == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
