"""The checker itself: it agrees with brute force, and sees planted faults."""

import itertools
import math
import random

import pytest

from tests.integration.apiserver.reliability.linear import (
    CONFLICT,
    CREATE,
    DELETE,
    EXISTS,
    MISSING,
    OK,
    PUT,
    READ,
    UNKNOWN,
    UPDATE,
    Op,
    is_linearizable,
    revision_faults,
    successors,
)


def op(kind, outcome, began, ended=math.inf, value="", expected="", revision=0):
    return Op(kind, outcome, began, ended, value, expected, revision)


MADE = op(CREATE, OK, 0, 1, "a", revision=5)


@pytest.mark.parametrize(
    ("history", "good"),
    [
        pytest.param([MADE, op(READ, OK, 2, 3, "a")], True, id="read-your-write"),
        pytest.param([MADE, op(READ, MISSING, 2, 3)], False, id="lost-write"),
        pytest.param([MADE, op(READ, MISSING, 0.5, 3)], True, id="read-at-the-same-time"),
        pytest.param(
            [MADE, op(UPDATE, OK, 2, 3, "b", "a"), op(READ, OK, 4, 5, "a")], False, id="stale-read"
        ),
        pytest.param(
            [MADE, op(UPDATE, OK, 2, 5, "b", "a"), op(UPDATE, OK, 2, 5, "c", "a")], False, id="both-win"
        ),
        pytest.param(
            [MADE, op(UPDATE, OK, 2, 5, "b", "a"), op(UPDATE, CONFLICT, 2, 5, "c", "a")], True, id="one-wins"
        ),
        pytest.param([MADE, op(UPDATE, CONFLICT, 2, 5, "c", "a")], False, id="conflict-with-nothing"),
        pytest.param([MADE, op(CREATE, OK, 2, 3, "b")], False, id="made-twice"),
        pytest.param([MADE, op(CREATE, EXISTS, 2, 3, "b")], True, id="exists"),
        pytest.param([MADE, op(DELETE, OK, 2, 3), op(READ, OK, 4, 5, "a")], False, id="undead"),
        pytest.param(
            [MADE, op(UPDATE, UNKNOWN, 2, value="b", expected="a"), op(READ, OK, 4, 5, "a"),
             op(READ, OK, 6, 7, "b")], True, id="unknown-that-comes-late",
        ),
        pytest.param(
            [MADE, op(UPDATE, UNKNOWN, 2, value="b", expected="a"), op(READ, OK, 4, 5, "b"),
             op(READ, OK, 6, 7, "a")], False, id="unknown-that-goes-away",
        ),
        pytest.param([MADE, op(DELETE, UNKNOWN, 2), op(READ, MISSING, 3, 4)], True, id="unknown-deletion"),
        pytest.param([MADE, op(PUT, MISSING, 2, 3, "b")], False, id="missing-what-is-there"),
        pytest.param(
            [MADE, op(READ, OK, 2, 9, "b"), op(PUT, OK, 3, 4, "b"), op(READ, OK, 5, 6, "a")],
            False,
            id="back-in-time",
        ),
    ],
)  # fmt: skip
def test_known_histories(history, good):
    assert is_linearizable(history) is good
    assert is_linearizable(list(reversed(history))) is good


def brute_force(ops):
    """Try every order of every subset of the unknown ones."""
    known = [one for one in ops if one.outcome != UNKNOWN]
    unknown = [one for one in ops if one.outcome == UNKNOWN]
    for count in range(len(unknown) + 1):
        for chosen in itertools.combinations(unknown, count):
            for order in itertools.permutations([*known, *chosen]):
                if fits(order):
                    return True
    return False


def fits(order):
    if any(later.ended < earlier.began for n, earlier in enumerate(order) for later in order[n + 1 :]):
        return False
    states: set[str | None] = {None}
    for one in order:
        states = {after for state in states for after in successors(one, state)}
    return bool(states)


def random_history(draw):
    """A few operations with mostly plausible outcomes."""
    ops = []
    for number in range(draw.randrange(2, 6)):
        began = draw.randrange(8)
        kind = draw.choice((CREATE, UPDATE, PUT, DELETE, READ))
        outcomes = {CREATE: (OK, OK, EXISTS, UNKNOWN), READ: (OK, OK, MISSING)}
        outcome = draw.choice(outcomes.get(kind, (OK, OK, CONFLICT, MISSING, UNKNOWN)))
        names = [f"v{other}" for other in range(number + 1)]
        value = draw.choice(names) if kind == READ else f"v{number}"
        expected = draw.choice(names) if kind == UPDATE or outcome == CONFLICT else ""
        ended = math.inf if outcome == UNKNOWN else began + draw.randrange(1, 5)
        ops.append(op(kind, outcome, began, ended, value if outcome == OK or kind != READ else "", expected))
    return ops


def test_agrees_with_brute_force():
    draw = random.Random(7)
    verdicts = [0, 0]
    for _ in range(3000):
        history = random_history(draw)
        wanted = brute_force(history)
        assert is_linearizable(history) is wanted, history
        verdicts[wanted] += 1
    assert min(verdicts) > 300


@pytest.mark.parametrize(
    ("history", "faults"),
    [
        pytest.param([MADE, op(READ, OK, 2, 3, "a", revision=5)], 0, id="same"),
        pytest.param([MADE, op(READ, OK, 2, 3, "a", revision=6)], 1, id="two-revisions-of-one-text"),
        pytest.param([MADE, op(PUT, OK, 2, 3, "b", revision=5)], 2, id="used-again"),
        pytest.param([MADE, op(PUT, OK, 2, 3, "b", revision=4)], 1, id="going-back"),
        pytest.param([MADE, op(PUT, OK, 0.5, 3, "b", revision=4)], 0, id="at-the-same-time"),
    ],
)
def test_revisions(history, faults):
    assert len(revision_faults(history)) == faults
