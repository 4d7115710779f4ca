"""The arguments of upstream's plugins: what they are if not given, and which values they may have. Pure.

Arguments are JSON as `shapes.ARGUMENTS` has it, durations in seconds. `scheduler.profiles` makes plugins of
them. Features are on and off as 1.36 has them by default.
Source: pkg/scheduler/apis/config/v1 defaults.go, validation/validation_pluginargs.go (1.36).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from api import field
from api.field import FieldError, Path
from api.labels import EXISTS, GREATER, IN, LESS, NOT_EXISTS, NOT_IN, new_requirement
from api.names import is_qualified_name
from scheduler.configuration.model import PYTHON_PLUGINS

Args: TypeAlias = Mapping[str, Any]
# What scores may say at most where users draw a curve; nodes are scored up to ten times that.
MAX_POINT_SCORE = 10
STRATEGIES = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
_RATIO = "RequestedToCapacityRatio"
_RESOURCES = ({"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1})
_OPERATORS = {
    "In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS, "Gt": GREATER, "Lt": LESS,
}  # fmt: skip
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def with_defaults(plugin: str, args: Args) -> Args:
    """Return the arguments of a plugin with what was left out; unknown plugins' as they are."""
    if plugin == "NodeResourcesFit":
        return {**args, "scoringStrategy": _strategy(args.get("scoringStrategy"))}
    if plugin == "NodeResourcesBalancedAllocation":
        return {**args, "resources": _resources(args.get("resources"))}
    usual = _DEFAULTS.get(plugin)
    if usual is None:
        return args
    found = {**usual, **args}
    if plugin == "PodTopologySpread":
        found["defaultingType"] = found["defaultingType"] or "System"
    return found


_DEFAULTS: Mapping[str, Args] = {
    "DefaultPreemption": {"minCandidateNodesPercentage": 10, "minCandidateNodesAbsolute": 100},
    "DynamicResources": {"filterTimeout": 10.0, "bindingTimeout": 600.0},
    "InterPodAffinity": {"hardPodAffinityWeight": 1, "ignorePreferredTermsOfExistingPods": False},
    "PodTopologySpread": {"defaultingType": "System", "defaultConstraints": []},
    "VolumeBinding": {"bindTimeoutSeconds": 600},
}


def _strategy(given: Args | None) -> Args:
    if given is None:
        return {"type": "LeastAllocated", "resources": list(_RESOURCES)}
    return {**given, "type": given.get("type", ""), "resources": _resources(given.get("resources"))}


def _resources(given: Sequence[Args] | None) -> list[Args]:
    return [{"name": "", **each, "weight": each.get("weight") or 1} for each in given or _RESOURCES]


def errors(plugin: str, args: Args, path: Path) -> list[FieldError]:
    """Return what is wrong with the arguments of a plugin, defaults included; `path` leads to them."""
    check = _CHECKS.get(plugin)
    return check(args, path) if check is not None else []


def _preemption(args: Args, path: Path) -> list[FieldError]:
    share, least = path.child("minCandidateNodesPercentage"), path.child("minCandidateNodesAbsolute")
    percentage, absolute = args["minCandidateNodesPercentage"], args["minCandidateNodesAbsolute"]
    found = _range(share, percentage, 0, 100)
    if absolute < 0:
        found.append(field.invalid(least, absolute, "not in valid range [0, inf)"))
    if not percentage and not absolute:
        text = "cannot be zero at the same time as"
        found.append(field.invalid(share, percentage, f"{text} minCandidateNodesAbsolute"))
        found.append(field.invalid(least, absolute, f"{text} minCandidateNodesPercentage"))
    return found


def _range(path: Path, value: int, least: int, most: int) -> list[FieldError]:
    fine = least <= value <= most
    return [] if fine else [field.invalid(path, value, f"not in valid range [{least}, {most}]")]


def _affinity(args: Args, path: Path) -> list[FieldError]:
    return _range(path.child("hardPodAffinityWeight"), args["hardPodAffinityWeight"], 0, 100)


def _spread(args: Args, path: Path) -> list[FieldError]:
    how, constraints = args["defaultingType"], args["defaultConstraints"]
    at = path.child("defaultingType")
    found = []
    if how not in ("System", "List"):
        found.append(field.not_supported(at, how, ("System", "List")))
    elif how == "System" and constraints:
        found.append(field.invalid(at, how, "when .defaultConstraints are not empty"))
    seen: set[tuple[str, str]] = set()
    for number, constraint in enumerate(constraints):
        here = path.child("defaultConstraints").index(number)
        found += _constraint(constraint, here)
        pair = (constraint.get("topologyKey", ""), constraint.get("whenUnsatisfiable", ""))
        if pair in seen:
            found.append(field.duplicate(here, f"{{{pair[0]}, {pair[1]}}}"))
        seen.add(pair)
    return found


def _constraint(constraint: Args, path: Path) -> list[FieldError]:
    skew, key = constraint.get("maxSkew", 0), constraint.get("topologyKey", "")
    how = constraint.get("whenUnsatisfiable", "")
    found = []
    if skew <= 0:
        found.append(field.invalid(path.child("maxSkew"), skew, "not in valid range (0, inf)"))
    at = path.child("topologyKey")
    found += _label_name(key, at) if key else [field.required(at, "can not be empty")]
    at = path.child("whenUnsatisfiable")
    if not how:
        found.append(field.required(at, "can not be empty"))
    elif how not in ("DoNotSchedule", "ScheduleAnyway"):
        found.append(field.not_supported(at, how, ("DoNotSchedule", "ScheduleAnyway")))
    if constraint.get("labelSelector") is not None:
        text = "constraint must not define a selector, as they deduced for each pod"
        found.append(field.forbidden(path.child("labelSelector"), text))
    return found


def _label_name(name: str, path: Path) -> list[FieldError]:
    return [field.invalid(path, name, text) for text in is_qualified_name(name)]


def points_errors(points: Sequence[Args], path: Path) -> list[FieldError]:
    """Check a curve of scores over utilization: increasing, 0-100 and 0-10."""
    if not points:
        return [field.required(path, "at least one point must be specified")]
    found = []
    uses = [point.get("utilization", 0) for point in points]
    for number in range(1, len(uses)):
        if uses[number - 1] >= uses[number]:
            at = path.index(number).child("utilization")
            found.append(field.invalid(at, uses[number], "values must be sorted in increasing order"))
            break
    for number, point in enumerate(points):
        found += _range(path.index(number).child("utilization"), uses[number], 0, 100)
        found += _range(path.index(number).child("score"), point.get("score", 0), 0, MAX_POINT_SCORE)
    return found


def _balanced(args: Args, path: Path) -> list[FieldError]:
    found, seen = [], set()
    for number, resource in enumerate(args["resources"]):
        at = path.child("resources").index(number)
        if resource["name"] in seen:
            found.append(field.duplicate(at.child("name"), resource["name"]))
        seen.add(resource["name"])
        if resource["weight"] != 1:
            found.append(field.invalid(at.child("weight"), resource["weight"], "must be 1"))
    return found


def _fit(args: Args, path: Path) -> list[FieldError]:
    found = []
    for number, name in enumerate(args.get("ignoredResources") or ()):
        found += _label_name(name, path.child("ignoredResources").index(number))
    for number, group in enumerate(args.get("ignoredResourceGroups") or ()):
        at = path.child("ignoredResourceGroups").index(number)
        if "/" in group:
            found.append(field.invalid(at, group, "resource group name can't contain '/'"))
        found += _label_name(group, at)
    return found + _strategy_errors(args["scoringStrategy"], path.child("scoringStrategy"))


def _strategy_errors(strategy: Args, path: Path) -> list[FieldError]:
    kind, ratio = strategy["type"], strategy.get("requestedToCapacityRatio")
    found = []
    if kind not in STRATEGIES:
        found.append(field.not_supported(path.child("type"), kind, STRATEGIES))
    for number, resource in enumerate(strategy["resources"]):
        name, weight = resource["name"], resource["weight"]
        if not 0 < weight <= 100:
            at = path.child("resources").index(number).child("weight")
            text = f"resource weight of {name} not in valid range (0, 100]"
            found.append(field.invalid(at, weight, text))
    at = path.child("requestedToCapacityRatio")
    if kind == _RATIO and ratio is None:
        found.append(field.required(at, f"must be specified when type is {_RATIO}"))
    elif kind == _RATIO and ratio is not None:
        found += points_errors(ratio.get("shape") or (), at.child("shape"))
    elif ratio is not None:
        found.append(field.forbidden(at, f"must be nil when type is not {_RATIO}"))
    return found


def _volumes(args: Args, path: Path) -> list[FieldError]:
    found, limit = [], args["bindTimeoutSeconds"]
    if limit < 0:
        text = "invalid BindTimeoutSeconds, should not be a negative value"
        found.append(field.invalid(path.child("bindTimeoutSeconds"), limit, text))
    if "shape" in args:
        text = "unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring"
        found.append(field.invalid(path.child("shape"), args["shape"], text))
    return found


def _claims(args: Args, path: Path) -> list[FieldError]:
    found = []
    if args["filterTimeout"] < 0:
        at = path.child("filterTimeout")
        found.append(field.invalid(at, go_duration(args["filterTimeout"]), "must be zero or positive"))
    if args["bindingTimeout"] < 1:
        at = path.child("bindingTimeout")
        found.append(field.invalid(at, go_duration(args["bindingTimeout"]), "must be at least 1 second"))
    return found


def go_duration(seconds: float) -> str:
    """Return seconds as Go writes a duration: `1m30s`, `500ms`, `0s`."""
    sign, rest = ("-" if seconds < 0 else ""), abs(seconds)
    if 0 < rest < 1:
        return f"{sign}{rest * 1000:g}ms"
    minutes, left = divmod(rest, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{left:g}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else sign + text


def _node_affinity(args: Args, path: Path) -> list[FieldError]:
    added = args.get("addedAffinity") or {}
    required, preferred = added.get(_REQUIRED), added.get(_PREFERRED) or ()
    found = []
    at = path.child("addedAffinity")
    for number, term in enumerate((required or {}).get("nodeSelectorTerms") or ()):
        found += _term(term, at.child(_REQUIRED, "nodeSelectorTerms").index(number))
    for number, wish in enumerate(preferred):
        found += _term(wish.get("preference") or {}, at.child(_PREFERRED).index(number))
    return found


def _term(term: Args, path: Path) -> list[FieldError]:
    found = []
    for number, wanted in enumerate(term.get("matchExpressions") or ()):
        found += _expression(wanted, path.child("matchExpressions").index(number))
    for number, wanted in enumerate(term.get("matchFields") or ()):
        at = path.child("matchFields").index(number)
        operator, values = wanted.get("operator", ""), wanted.get("values") or ()
        if operator not in ("In", "NotIn"):
            found.append(field.not_supported(at.child("operator"), operator, ("In", "NotIn")))
        elif len(values) != 1:
            found.append(field.invalid(at.child("values"), len(values), "must have one element"))
    return found


def _expression(wanted: Args, path: Path) -> list[FieldError]:
    operator = _OPERATORS.get(wanted.get("operator", ""))
    if operator is None:
        return [field.not_supported(path.child("operator"), wanted.get("operator", ""), _OPERATORS)]
    try:
        new_requirement(wanted.get("key", ""), operator, wanted.get("values") or ())
    except ValueError as error:
        where, _, body = str(error).partition(": ")
        return [FieldError(field.INVALID, str(path.child(where)), body)]
    return []


def _python_plugins(args: Args, path: Path) -> list[FieldError]:
    at, files = path.child("files"), args.get("files")
    if unknown := sorted(set(args) - {"files"}):
        return [field.not_supported(path, unknown[0], ("files",))]
    if not isinstance(files, list) or not all(isinstance(each, str) and each for each in files):
        return [field.invalid(at, files, "must be a list of names of files")]
    return []


_CHECKS: Mapping[str, Callable[[Args, Path], list[FieldError]]] = {
    "DefaultPreemption": _preemption,
    "DynamicResources": _claims,
    "InterPodAffinity": _affinity,
    "NodeAffinity": _node_affinity,
    "NodeResourcesBalancedAllocation": _balanced,
    "NodeResourcesFit": _fit,
    "PodTopologySpread": _spread,
    PYTHON_PLUGINS: _python_plugins,
    "VolumeBinding": _volumes,
}
