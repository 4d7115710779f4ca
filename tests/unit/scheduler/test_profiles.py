"""Profiles of configurations: which plugins run where, in which order, with which weights."""

from typing import Any

import pytest

from scheduler.configuration.arguments import with_defaults
from scheduler.configuration.load import ConfigurationError, load, merged
from scheduler.configuration.model import MULTI_POINT, Configuration, PluginRef, PluginSet, ProfileConfig
from scheduler.profiles import REGISTRY, Registration, default_profile, expand, new_profiles

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
EVERYWHERE = frozenset(("preFilter", "filter", "score", "reserve"))


def of(*names: str, disabled: tuple[str, ...] = ()) -> PluginSet:
    """Return a set of plugins written as `name` or `name=weight`."""
    pairs = (name.partition("=") for name in names)
    return PluginSet(tuple(PluginRef(name, int(weight or 0)) for name, _, weight in pairs), disabled)


def registry(**points: str) -> dict[str, Registration]:
    return {name: Registration(lambda args: None, frozenset(where.split())) for name, where in points.items()}


ALL = registry(Sort="queueSort", Bind="bind", A="filter score", B="filter score", C="filter score", S="score")


@pytest.mark.parametrize(
    ("plugins", "filters", "scores"),
    [
        pytest.param({MULTI_POINT: of("A", "B", "S")}, "A B", "A B S", id="where-they-have-something-to-say"),
        pytest.param(
            {MULTI_POINT: of("A", "B"), "score": of(disabled=("A",))}, "A B", "B", id="off-at-one-point"
        ),
        pytest.param(
            {MULTI_POINT: of("A", "B"), "score": of(disabled=("*",))}, "A B", "", id="all-off-at-a-point"
        ),
        pytest.param(
            {MULTI_POINT: of("A", "B"), "score": of("C", disabled=("*",))}, "A B", "C", id="others-instead"
        ),
        pytest.param({MULTI_POINT: of("A"), "score": of("C")}, "A", "A C", id="one-more-comes-last"),
        pytest.param(
            {MULTI_POINT: of("A", "B"), "score": of("C", "B")}, "A B", "B A C", id="named-again-comes-first"
        ),
        pytest.param(
            {MULTI_POINT: of("A", "B", "C"), "score": of("C", "A")},
            "A B C",
            "C A B",
            id="order-of-those-named-again",
        ),
        pytest.param(
            {MULTI_POINT: of("A"), "score": of("A", disabled=("A",))}, "A", "A", id="off-and-on-again"
        ),
    ],
)
def test_expansion(plugins: Any, filters: str, scores: str) -> None:
    found = expand(plugins, ALL)
    assert (found["filter"], found["score"]) == (tuple(filters.split()), tuple(scores.split()))


@pytest.mark.parametrize(
    ("default", "custom", "names"),
    [
        pytest.param(of("A", "B"), of(), "A B", id="nothing-said"),
        pytest.param(of("A", "B"), of("C"), "A B C", id="one-more"),
        pytest.param(of("A", "B"), of(disabled=("A",)), "B", id="one-less"),
        pytest.param(of("A", "B"), of("C", "A", disabled=("*",)), "C A", id="only-these"),
        pytest.param(of("A", "B=1"), of("B=3", "C"), "A B=3 C", id="another-weight-in-its-place"),
        pytest.param(of("A", "B"), of("A", disabled=("A",)), "B A", id="moved-to-the-end"),
    ],
)
def test_defaults_are_merged(default: PluginSet, custom: PluginSet, names: str) -> None:
    found = merged(default, custom)
    assert found == of(*names.split(), disabled=custom.disabled)


@pytest.mark.parametrize(
    ("plugins", "words"),
    [
        pytest.param({"filter": of("X")}, 'FilterPlugin "X" does not exist', id="unknown"),
        pytest.param({MULTI_POINT: of("X")}, 'PreFilterPlugin "X" does not exist', id="unknown-anywhere"),
        pytest.param(
            {"bind": of("A")}, 'plugin "A" does not extend BindPlugin plugin', id="not-made-for-that"
        ),
        pytest.param({"score": of("A", "A")}, 'plugin "A" already registered as "ScorePlugin"', id="twice"),
        pytest.param(
            {MULTI_POINT: of("A", "A")},
            'plugin "A" already registered as "FilterPlugin"',
            id="twice-anywhere",
        ),
    ],
)
def test_plugins_that_cannot_run(plugins: Any, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        expand(plugins, ALL)
    assert str(caught.value) == words


def profiles_of(text: str) -> dict[str, Any]:
    return new_profiles(load((HEAD + text).encode()))


@pytest.mark.parametrize(
    ("plugins", "words"),
    [
        pytest.param(
            "{queueSort: {disabled: [{name: '*'}]}}",
            'only one queue sort plugin required for profile with scheduler name "mine", but got 0',
            id="no-order",
        ),
        pytest.param(
            "{multiPoint: {disabled: [{name: DefaultBinder}]}}",
            'at least one bind plugin is needed for profile with scheduler name "mine"',
            id="no-binder",
        ),
        pytest.param(
            "{score: {enabled: [{name: NodeName}]}}",
            'plugin "NodeName" does not extend ScorePlugin plugin',
            id="no-score",
        ),
    ],
)
def test_profiles_that_cannot_run(plugins: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        profiles_of(f"profiles: [{{schedulerName: mine, plugins: {plugins}}}]")
    assert str(caught.value) == (f"initializing profiles: creating profile for scheduler name mine: {words}")


def names(plugins: Any) -> list[str]:
    return [plugin.name for plugin in plugins]


def test_the_default_profile() -> None:
    profile = default_profile()
    assert profile.name == "default-scheduler"
    assert names(profile.filters) == [
        "NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit",
        "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone", "PodTopologySpread",
        "InterPodAffinity", "DynamicResources", "NodeDeclaredFeatures",
    ]  # fmt: skip
    assert [(plugin.name, weight) for plugin, weight in profile.scores] == [
        ("TaintToleration", 3), ("NodeAffinity", 2), ("NodeResourcesFit", 1), ("VolumeBinding", 1),
        ("PodTopologySpread", 2), ("InterPodAffinity", 2), ("DynamicResources", 1),
        ("NodeResourcesBalancedAllocation", 1), ("ImageLocality", 1),
    ]  # fmt: skip
    assert names(profile.pre_enqueues) == ["SchedulingGates", "DynamicResources", "GangScheduling"]
    assert names(profile.post_filters) == ["DynamicResources"]
    assert names(profile.reserves) == names(profile.pre_binds) == ["VolumeBinding", "DynamicResources"]
    assert profile.preemption is not None


def test_a_configuration_makes_profiles() -> None:
    found = profiles_of("""
profiles:
- schedulerName: packed
  plugins:
    score:
      disabled: [{name: '*'}]
      enabled: [{name: NodeResourcesFit, weight: 7}, {name: ImageLocality}]
    multiPoint:
      disabled: [{name: NodePorts}]
    postFilter:
      disabled: [{name: DefaultPreemption}]
- schedulerName: heavy
  plugins:
    multiPoint: {enabled: [{name: NodeAffinity, weight: 9}]}
""")
    packed, heavy = found["packed"], found["heavy"]
    assert [(plugin.name, weight) for plugin, weight in packed.scores] == [
        ("NodeResourcesFit", 7),
        ("ImageLocality", 1),
    ]
    assert "NodePorts" not in names(packed.filters)
    assert packed.preemption is None
    assert heavy.preemption is not None
    assert [weight for plugin, weight in heavy.scores if plugin.name == "NodeAffinity"] == [9]


def test_a_plugin_at_two_points_is_one() -> None:
    profile = default_profile()
    scored: dict[str, Any] = {plugin.name: plugin for plugin, _ in profile.scores}
    assert all(scored[each.name] is each for each in profile.filters if each.name in scored)


def test_every_plugin_is_what_its_name_says() -> None:
    for name in REGISTRY:
        plugin = REGISTRY[name].make(with_defaults(name, {}))
        assert plugin is None or plugin.name == name


def test_without_a_file_one_profile_has_the_name_of_the_flag() -> None:
    configuration = Configuration(profiles=(ProfileConfig("mine"),))
    assert list(new_profiles(configuration)) == ["mine"]
