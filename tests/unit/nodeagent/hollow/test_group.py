"""The Lease of a node that is renewed with others."""

from datetime import UTC, datetime

import pytest

from api.coordination.heartbeat import Group, group_of
from nodeagent.hollow.group import is_member, member_lease
from nodeagent.lease import new_lease

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GROUP = Group("hollow-group-n1", "h")


def test_a_member_s_lease_is_its_own_but_for_the_name_of_the_group():
    lease = member_lease("n1", "u1", 40.0, GROUP, NOW)
    alone = new_lease("n1", "u1", 40.0, NOW)
    assert group_of(lease) == GROUP
    assert lease["spec"] == alone["spec"]
    assert lease["metadata"]["ownerReferences"] == alone["metadata"]["ownerReferences"]


@pytest.mark.parametrize(
    ("lease", "member"),
    [
        pytest.param(member_lease("n1", "u1", 40.0, GROUP, NOW), True, id="as-made"),
        pytest.param(member_lease("n1", "u0", 40.0, GROUP, NOW), False, id="of-an-older-node-object"),
        pytest.param(member_lease("n1", "u1", 40.0, Group("g", "h"), NOW), False, id="of-another-group"),
        pytest.param(
            member_lease("n1", "u1", 40.0, Group(GROUP.name, "h0"), NOW), False, id="of-an-earlier-process"
        ),
        pytest.param(new_lease("n1", "u1", 40.0, NOW), False, id="alone"),
    ],
)
def test_members_are_told_from_others(lease, member):
    assert is_member(lease, "u1", GROUP) is member
