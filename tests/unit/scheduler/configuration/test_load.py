"""Configuration files: what they say, and in which words wrong ones are refused."""

from dataclasses import replace
from typing import Any

import pytest

from scheduler.configuration.load import ConfigurationError, load
from scheduler.configuration.model import (
    DEFAULT_PLUGINS,
    MULTI_POINT,
    Configuration,
    ExtenderConfig,
    ExtenderTLS,
    LeaderElection,
    ManagedResource,
    PluginRef,
    PluginSet,
    ProfileConfig,
)

HEAD = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"


def loaded(text: str, **election: Any) -> Configuration:
    return load((HEAD + text).encode(), election)


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(text.encode())
    return str(caught.value)


def test_a_file_that_says_nothing_says_the_defaults() -> None:
    assert loaded("") == Configuration()


def test_json_is_read_too() -> None:
    kind = '"kind": "KubeSchedulerConfiguration", "apiVersion": "kubescheduler.config.k8s.io/v1"'
    text = f'{{{kind}, "parallelism": 4}}'
    assert load(text.encode()) == Configuration(parallelism=4)


def test_all_fields() -> None:
    found = loaded("""
parallelism: 8
percentageOfNodesToScore: 50
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 20
enableProfiling: false
delayCacheUntilActive: true
clientConnection: {kubeconfig: /etc/k.conf, qps: 20.5, burst: 40, contentType: application/json}
leaderElection: {leaderElect: false, leaseDuration: 1m30s, resourceName: mine}
profiles:
- schedulerName: one
  plugins:
    score:
      enabled: [{name: NodeResourcesFit, weight: 5}]
      disabled: [{name: ImageLocality}]
  pluginConfig:
  - name: InterPodAffinity
    args: {hardPodAffinityWeight: 7}
  - name: Mine
    args: {anything: [1]}
- schedulerName: two
extenders:
- urlPrefix: https://127.0.0.1/x
  filterVerb: filter
  prioritizeVerb: score
  weight: 3
  enableHTTPS: true
  httpTimeout: 250ms
  tlsConfig: {serverName: x, caData: YWJj}
  nodeCacheCapable: true
  managedResources: [{name: example.com/gpu, ignoredByScheduler: true}]
  ignorable: true
""")
    assert found == Configuration(
        parallelism=8,
        percentage_of_nodes_to_score=50,
        pod_initial_backoff_s=2,
        pod_max_backoff_s=20,
        enable_profiling=False,
        kubeconfig="/etc/k.conf",
        leader_election=LeaderElection(leader_elect=False, lease_duration_s=90.0, resource_name="mine"),
        profiles=(
            ProfileConfig(
                "one",
                {
                    "score": PluginSet((PluginRef("NodeResourcesFit", 5),), ("ImageLocality",)),
                    MULTI_POINT: DEFAULT_PLUGINS,
                },
                {
                    "InterPodAffinity": {
                        "hardPodAffinityWeight": 7,
                        "ignorePreferredTermsOfExistingPods": False,
                    },
                    "Mine": {"anything": [1]},
                },
            ),
            ProfileConfig("two"),
        ),
        extenders=(
            ExtenderConfig(
                "https://127.0.0.1/x",
                "filter",
                prioritize_verb="score",
                weight=3,
                enable_https=True,
                tls=ExtenderTLS(server_name="x", ca_data=b"abc"),
                timeout_s=0.25,
                node_cache_capable=True,
                managed_resources=(ManagedResource("example.com/gpu", True),),
                ignorable=True,
            ),
        ),
    )


def test_flags_about_leader_election_win_before_the_file_is_checked() -> None:
    found = loaded("leaderElection: {leaseDuration: 5s}", lease_duration_s=30.0)
    assert found.leader_election == replace(LeaderElection(), lease_duration_s=30.0)


def test_the_only_profile_has_the_default_name() -> None:
    assert [each.scheduler_name for each in loaded("profiles: [{}]").profiles] == ["default-scheduler"]


def with_arguments(plugin: str, args: str) -> str:
    return f"{HEAD}profiles: [{{pluginConfig: [{{name: {plugin}, args: {args}}}]}}]"


WHERE = "decoding .profiles[0].pluginConfig[0]"
STRICT = "strict decoding error"
SCHEME = 'in scheme "pkg/scheduler/apis/config/scheme/scheme.go:30"'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a: 1", "Object 'Kind' is missing in 'a: 1'", id="no-kind"),
        pytest.param("kind: X", "Object 'apiVersion' is missing in 'kind: X'", id="no-version"),
        pytest.param(
            "kind: KubeSchedulerConfiguration\napiVersion: kubescheduler.config.k8s.io/v1beta3",
            'no kind "KubeSchedulerConfiguration" is registered for version '
            f'"kubescheduler.config.k8s.io/v1beta3" {SCHEME}',
            id="old-version",
        ),
        pytest.param(
            "kind: Policy\napiVersion: kubescheduler.config.k8s.io/v1",
            f'no kind "Policy" is registered for version "kubescheduler.config.k8s.io/v1" {SCHEME}',
            id="other-kind",
        ),
        pytest.param(
            "kind: NodeAffinityArgs\napiVersion: kubescheduler.config.k8s.io/v1",
            "couldn't decode as KubeSchedulerConfiguration, got kubescheduler.config.k8s.io/v1, "
            "Kind=NodeAffinityArgs: ",
            id="arguments-alone",
        ),
        pytest.param(
            f"{HEAD}percentageOfNodeToScore: 100",
            'strict decoding error: unknown field "percentageOfNodeToScore"',
            id="unknown-field",
        ),
        pytest.param(
            f"{HEAD}parallelism: 1\nparallelism: 2\nprofiles: [{{plugins: {{bound: {{}}}}}}]",
            'strict decoding error: yaml: unmarshal errors:\n  line 4: key "parallelism" already set in map, '
            'unknown field "profiles[0].plugins.bound"',
            id="doubled-key",
        ),
        pytest.param(
            f"{HEAD}parallelism: many",
            "json: cannot unmarshal string into Go struct field KubeSchedulerConfiguration.parallelism "
            "of type int32",
            id="wrong-type",
        ),
        pytest.param(
            f"{HEAD}podMaxBackoffSeconds: 1.5",
            "json: cannot unmarshal number 1.5 into Go struct field "
            "KubeSchedulerConfiguration.podMaxBackoffSeconds of type int64",
            id="fraction",
        ),
        pytest.param(
            f"{HEAD}profiles: {{}}",
            "json: cannot unmarshal object into Go struct field KubeSchedulerConfiguration.profiles "
            "of type []v1.KubeSchedulerProfile",
            id="object-for-a-list",
        ),
        pytest.param(
            f"{HEAD}profiles: [{{plugins: [1]}}]",
            "json: cannot unmarshal array into Go struct field KubeSchedulerProfile.profiles.plugins "
            "of type v1.Plugins",
            id="list-for-an-object",
        ),
        pytest.param(
            f"{HEAD}leaderElection: {{leaseDuration: 15}}",
            "json: cannot unmarshal number into Go value of type string",
            id="number-for-a-duration",
        ),
        pytest.param(
            f"{HEAD}leaderElection: {{leaseDuration: '15'}}",
            'time: missing unit in duration "15"',
            id="duration-without-unit",
        ),
        pytest.param(
            with_arguments("NodeResourcesFit", "{scoringStrategy: {resourcess: []}}"),
            f"{STRICT}: {WHERE}: {STRICT}: decoding args for plugin NodeResourcesFit: {STRICT}: "
            'unknown field "scoringStrategy.resourcess"',
            id="unknown-argument",
        ),
        pytest.param(
            with_arguments("NodeAffinity", "{addedAffinity: {foo: 1}}"),
            f"{STRICT}: {WHERE}: {STRICT}: decoding args for plugin NodeAffinity: {STRICT}: "
            'unknown field "addedAffinity.foo"',
            id="unknown-field-of-a-built-in-type",
        ),
        pytest.param(
            with_arguments("InterPodAffinity", "{kind: NodeAffinityArgs}"),
            f"{WHERE}: args for plugin InterPodAffinity were not of type InterPodAffinityArgs."
            "kubescheduler.config.k8s.io, got NodeAffinityArgs.kubescheduler.config.k8s.io",
            id="arguments-of-another",
        ),
        pytest.param(
            with_arguments("InterPodAffinity", "{hardPodAffinityWeight: a}"),
            f"{WHERE}: decoding args for plugin InterPodAffinity: json: cannot unmarshal string into Go "
            "struct field InterPodAffinityArgs.hardPodAffinityWeight of type int32",
            id="argument-of-a-wrong-type",
        ),
    ],
)
def test_what_is_no_configuration(text: str, words: str) -> None:
    assert refusal(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(
            "parallelism: 0",
            "parallelism: Invalid value: 0: should be an integer value greater than zero",
            id="parallelism",
        ),
        pytest.param(
            "percentageOfNodesToScore: 101",
            "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]",
            id="percentage",
        ),
        pytest.param(
            "profiles: [{percentageOfNodesToScore: -1}]",
            "profiles[0].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]",
            id="percentage-of-a-profile",
        ),
        pytest.param(
            "podInitialBackoffSeconds: 0\npodMaxBackoffSeconds: -1",
            "[podInitialBackoffSeconds: Invalid value: 0: must be greater than 0, podMaxBackoffSeconds: "
            "Invalid value: -1: must be greater than or equal to PodInitialBackoffSeconds]",
            id="back-off",
        ),
        pytest.param(
            "profiles: [{schedulerName: a}, {}, {schedulerName: a}]",
            "[profiles[1].schedulerName: Required value, profiles[2].schedulerName: Duplicate value: {}]",
            id="names",
        ),
        pytest.param(
            "profiles: [{plugins: {filter: {enabled: [{name: EBSLimits}]}}}]",
            'profiles[0].plugins.filter.enabled[0]: Invalid value: "EBSLimits": was invalid in version '
            '"kubescheduler.config.k8s.io/v1" (KubeSchedulerConfiguration is version '
            '"kubescheduler.config.k8s.io/v1")',
            id="removed-plugin",
        ),
        pytest.param(
            "profiles: [{pluginConfig: [{name: NodeAffinity}, {name: NodeAffinity}]}]",
            'profiles[0].pluginConfig[1]: Duplicate value: "NodeAffinity"',
            id="arguments-twice",
        ),
        pytest.param(
            "profiles: [{schedulerName: a}, {schedulerName: b, plugins: {queueSort: "
            "{disabled: [{name: '*'}]}}}]",
            'profiles[1].plugins.queueSort: Invalid value: {"Enabled":[],"Disabled":["*"]}: must be the same '
            "for all profiles",
            id="two-orders",
        ),
        pytest.param(
            "leaderElection: {leaseDuration: 5s, resourceLock: endpoints}",
            '[leaderElection.leaseDuration: Invalid value: "10s": LeaseDuration must be greater than '
            'RenewDeadline, leaderElection.resourceLock: Invalid value: "endpoints": resourceLock value must '
            'be "leases"]',
            id="lease",
        ),
        pytest.param(
            "clientConnection: {burst: -1}",
            "clientConnection.burst: Invalid value: -1: must be non-negative",
            id="burst",
        ),
        pytest.param(
            "extenders: [{prioritizeVerb: p, bindVerb: b}, {bindVerb: b, managedResources: [{name: cpu}, "
            "{name: a.b/c}, {name: a.b/c}]}]",
            "[extenders[0].weight: Invalid value: 0: must have a positive weight applied to it, "
            'extenders[1].managedResources[0].name: Invalid value: "cpu": is an invalid extended resource '
            'name, extenders[1].managedResources[2].name: Invalid value: "a.b/c": duplicate extender managed '
            'resource name, extenders: Invalid value: "found 2 extenders implementing bind": only one '
            "extender can implement bind]",
            id="extenders",
        ),
    ],
)
def test_what_makes_no_sense(text: str, words: str) -> None:
    assert refusal(HEAD + text) == words
