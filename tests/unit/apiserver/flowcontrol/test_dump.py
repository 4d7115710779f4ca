"""Text tables."""

from apiserver.flowcontrol.dump import table


def test_columns_are_aligned_as_go_s_tabwriter_does():
    assert table([("Name", "Count", "Last"), ("a-long-name", 1, "x")]) == (
        "Name,        Count,  Last\n"
        "a-long-name, 1,      x\n"
    )  # fmt: skip
