"""Server-side apply, and who manages which field (`metadata.managedFields`).

    manage_update   a create, update or other patch: the manager owns what it added or changed
    apply           an apply patch: the manager owns exactly what its configuration says; what it said last
                    time and does not say now goes away, unless another applier says it too

Called by the API server for every write. An entry of `managedFields` is one (manager, operation,
subresource), for updates also one apiVersion.
Source: apimachinery's util/managedfields, structured-merge-diff merge/update.go (1.36).

DEVIATION: fields recorded under another apiVersion of the kind are taken to have the same names in this one
(upstream converts the object; names only differ between autoscaling/v1 and v2).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api import errors
from api.codec.json import DecodeError
from api.codec.typed import conform
from api.patch import fieldset, structured
from api.patch.compare import Comparison, compare
from api.patch.fieldset import FieldSet
from api.patch.shape import Shape, ShapeError
from api.resource import Obj
from api.times import format_time

APPLY, UPDATE = "Apply", "Update"
# As upstream: more entries of updates than this are merged, the oldest first.
MAX_UPDATE_ENTRIES = 10
ANCIENT = "ancient-changes"
BEFORE_FIRST_APPLY = "before-first-apply"

# Fields that nobody manages.
_UNMANAGED = fieldset.of(
    ("apiVersion",),
    ("kind",),
    ("metadata",),
    *(
        ("metadata", name)
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    ),
)


@dataclass(frozen=True)
class Writer:
    """Who writes, through what, and when.

    `ignored` are fields that this endpoint resets (the main resource `{"f:status": {}}`): nobody gets them.
    """

    manager: str
    api_version: str
    now: datetime
    subresource: str = ""
    ignored: FieldSet | None = None

    def entry(self, operation: str, fields: FieldSet) -> Obj:
        entry: Obj = {
            "manager": self.manager,
            "operation": operation,
            "apiVersion": self.api_version,
            "time": format_time(self.now),
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        return entry | {"subresource": self.subresource} if self.subresource else entry

    def is_same(self, entry: Obj, operation: str) -> bool:
        """Tell whether an entry is this writer's for an operation."""
        return (
            entry.get("manager") == self.manager
            and entry.get("operation") == operation
            and entry.get("subresource", "") == self.subresource
            and (operation == APPLY or entry.get("apiVersion") == self.api_version)
        )


def manage_update(old: Obj | None, new: Obj, shape: Shape, writer: Writer) -> Obj:
    """Return `new` with `metadata.managedFields` as they are after this write.

    `old` is the stored object, None for a create. The writer comes to own what differs; others lose it. If
    nothing differs, the entries and their times stay. An empty list, or one empty entry, in `new` resets all;
    a stored object without entries gets none before its first apply.
    """
    entries = _given_entries(old, new, bool(writer.subresource))
    difference = compare(_bare(old or {}), _bare(new), shape)
    tracked = bool(entries) or old is None
    if tracked and not difference.is_same:
        entries = _after_update(entries, difference, writer)
    return _with_entries(new, entries)


def _after_update(entries: list[Obj], difference: Comparison, writer: Writer) -> list[Obj]:
    difference = difference.without(writer.ignored or {})
    changed = fieldset.union(difference.added, difference.modified)
    gained = fieldset.difference(changed, _UNMANAGED)
    lost = fieldset.union(changed, difference.removed)
    mine, kept = [], []
    for entry in entries:
        if writer.is_same(entry, UPDATE):
            mine.append(entry)
        else:
            kept += _lose(entry, lost)
    fields = gained
    for entry in mine:
        fields = fieldset.union(_fields(entry), fields)
    fields = fieldset.difference(fields, difference.removed)
    if fields and gained:
        kept.append(writer.entry(UPDATE, fieldset.ordered(fields)))
    elif fields:
        kept += [entry for old in mine for entry in _lose(old, difference.removed)]
    return _capped(kept)


def _lose(entry: Obj, lost: FieldSet) -> list[Obj]:
    """Return the entry without some fields: the same one if it had none of them, nothing if none are left."""
    fields = _fields(entry)
    left = fieldset.difference(fields, lost)
    if left is fields:
        return [entry]
    return [{**entry, "fieldsV1": left}] if left else []


def _capped(entries: list[Obj]) -> list[Obj]:
    """Merge the oldest entries of updates into one per apiVersion while there are too many."""
    surplus = sum(entry["operation"] == UPDATE for entry in entries) - MAX_UPDATE_ENTRIES
    if surplus <= 0:
        return entries
    result = list(entries)
    first: dict[str, Obj] = {}
    by_age = sorted((entry for entry in entries if entry["operation"] == UPDATE), key=_age)
    for entry in by_age:
        if surplus <= 0:
            break
        bucket = first.get(entry["apiVersion"])
        if bucket is None:
            first[entry["apiVersion"]] = entry
            continue
        merged = {key: value for key, value in entry.items() if key != "subresource"} | {
            "manager": ANCIENT,
            "fieldsV1": fieldset.union(_fields(bucket), _fields(entry)),
        }
        result = [other for other in result if other is not entry and other is not bucket] + [merged]
        first[entry["apiVersion"]] = merged
        surplus -= 1
    return result


def _age(entry: Obj) -> tuple[str, str]:
    return entry.get("time") or "", entry.get("manager", "")


def apply(
    live: Obj | None, config: Obj, shape: Shape, writer: Writer, *, kind: str = "", force: bool = False
) -> Obj:
    """Return the object after an apply patch, with its `managedFields`; `live` is None for a create.

    `kind` is the definition of a built-in kind: then the configuration is brought into that kind's canonical
    form, so that `1000m` is no change of `1`. Raises Conflict if other managers own fields that would change
    and `force` is not set, BadRequest for a configuration of another version or with managed fields, and an
    error of code 500, as upstream does, for one that does not fit the schema.
    """
    config = _checked_config(config, shape, writer, kind)
    old = _bare(live or {})
    entries = _first_entries(live, old, shape, writer)
    wanted = structured.field_set(config, shape)
    wanted = fieldset.difference_below(wanted, writer.ignored or {})
    last = next((entry for entry in entries if writer.is_same(entry, APPLY)), None)
    others = [entry for entry in entries if entry is not last]
    merged: Obj = structured.merge(old, config, shape) if old else config
    if last is not None:
        merged = _prune(merged, shape, _fields(last), wanted, others)
    difference = compare(old, merged, shape)
    others = _settle(others, difference, force)
    mine = fieldset.ordered(fieldset.difference(wanted, _UNMANAGED))
    if mine:
        entry = writer.entry(APPLY, mine)
        if last is not None and difference.is_same and _same_fields(last, entry):
            entry = last
        others.append(entry)
    return _with_entries(merged, others)


def _same_fields(last: Obj, entry: Obj) -> bool:
    return bool(last) and _fields(last) == entry["fieldsV1"] and last.get("apiVersion") == entry["apiVersion"]


def _checked_config(config: Obj, shape: Shape, writer: Writer, kind: str) -> Obj:
    if config.get("apiVersion") != writer.api_version:
        raise errors.BadRequest(
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {config.get('apiVersion', '')}, expected: {writer.api_version}"
        )
    metadata = config.get("metadata") or {}
    if metadata.get("managedFields") is not None:
        raise errors.BadRequest("metadata.managedFields must be nil")
    try:
        structured.check(config, shape)
        if kind:
            config = conform(config, kind).obj
    except (ShapeError, DecodeError) as error:
        subject = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        gvk = f"{writer.api_version}, Kind={config.get('kind', '')}"
        text = f"failed to create typed patch object ({subject}; {gvk}): {error}"
        raise errors.StatusError(text) from error
    if "creationTimestamp" in metadata and metadata["creationTimestamp"] is None:
        return {**config, "metadata": {key: value for key, value in metadata.items() if value is not None}}
    return config


def _first_entries(live: Obj | None, old: Obj, shape: Shape, writer: Writer) -> list[Obj]:
    """Return the entries of the stored object; what it holds without any was there before the first apply."""
    entries = _decoded((live or {}).get("metadata", {}).get("managedFields")) or []
    if entries or not live:
        return entries
    before = Writer(BEFORE_FIRST_APPLY, writer.api_version, writer.now)
    return _after_update([], compare({}, old, shape), before)


def _prune(merged: Obj, shape: Shape, last: FieldSet, wanted: FieldSet, others: Iterable[Obj]) -> Obj:
    """Take out what this manager applied last time and nobody applies now."""
    dropped = fieldset.difference(
        structured.with_named_fields(last, shape), structured.with_named_fields(wanted, shape)
    )
    if not dropped:
        return merged
    applied = wanted
    for entry in others:
        if entry.get("operation") == APPLY:
            applied = fieldset.union(applied, _fields(entry))
    owned = structured.with_named_fields(applied, shape)
    before = structured.with_named_fields(structured.field_set(merged, shape), shape)
    pruned = structured.remove(merged, structured.with_named_fields(last, shape), shape) or {}
    after = structured.with_named_fields(structured.field_set(pruned, shape), shape)
    gone = fieldset.difference(before, fieldset.union(after, owned))
    kept = structured.remove(merged, gone, shape) or {}
    # Only what this manager itself owned may go: not what others wrote below it.
    after = structured.with_named_fields(structured.field_set(kept, shape), shape)
    gone = fieldset.intersection(fieldset.difference(before, after), last)
    result: Obj = structured.remove(merged, gone, shape) or {}
    return result


def _settle(others: list[Obj], difference: Comparison, force: bool) -> list[Obj]:
    """Take changed and removed fields from the others; Conflict, unless forced, if they own changed ones."""
    changed = fieldset.union(difference.added, difference.modified)
    if not force:
        conflicts = [
            (entry, path)
            for entry in others
            for path in fieldset.paths(fieldset.intersection(_fields(entry), changed))
        ]
        if conflicts:
            raise _conflict(conflicts)
    lost = fieldset.union(changed, difference.removed)
    return [left for entry in others for left in _lose(entry, lost)]


def _conflict(conflicts: list[tuple[Obj, str]]) -> errors.Conflict:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_shown(entry)}", "field": path}
        for entry, path in conflicts
    ]
    if len(conflicts) == 1:
        entry, path = conflicts[0]
        return errors.Conflict(
            f"Apply failed with 1 conflict: conflict with {_shown(entry)}: {path}", {"causes": causes}
        )
    by_manager: dict[str, list[str]] = {}
    for entry, path in sorted(conflicts, key=lambda item: item[0].get("manager", "")):
        by_manager.setdefault(_shown(entry), []).append(path)
    lines = []
    for shown, fields in by_manager.items():
        lines.append(f"conflicts with {shown}:")
        lines += [f"- {path}" for path in fields]
    text = "\n".join(lines)
    return errors.Conflict(f"Apply failed with {len(conflicts)} conflicts: {text}", {"causes": causes})


def _shown(entry: Obj) -> str:
    shown = f'"{entry.get("manager", "")}"'
    if entry.get("subresource"):
        shown += f' with subresource "{entry["subresource"]}"'
    if entry.get("operation") == UPDATE:
        shown += f" using {entry.get('apiVersion', '')}"
    return shown


def _bare(obj: Obj) -> Obj:
    """Return the object without its managed fields, which are not themselves managed."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj
    return {**obj, "metadata": {key: item for key, item in metadata.items() if key != "managedFields"}}


def _with_entries(obj: Obj, entries: list[Obj]) -> Obj:
    metadata = {key: item for key, item in (obj.get("metadata") or {}).items() if key != "managedFields"}
    if entries:
        metadata["managedFields"] = sorted(entries, key=_rank)
    return {**obj, "metadata": metadata}


def _rank(entry: Obj) -> tuple[str, str, str, str, str]:
    return (
        entry.get("operation", ""),
        entry.get("time") or "",
        entry.get("manager", ""),
        entry.get("apiVersion", ""),
        entry.get("subresource", ""),
    )


def _given_entries(old: Obj | None, new: Obj, is_subresource: bool) -> list[Obj]:
    """Return the entries that a write starts from: its own if they can be read, else the stored object's."""
    stored = _decoded((old or {}).get("metadata", {}).get("managedFields")) or []
    if is_subresource:
        return stored
    given = (new.get("metadata") or {}).get("managedFields")
    if given is not None and (given in ([], [{}])):
        return []
    return _decoded(given) or stored


def _decoded(entries: Any) -> list[Obj] | None:
    """Return the entries of a list; None if one of them is malformed."""
    if not isinstance(entries, list):
        return None
    for entry in entries:
        known = isinstance(entry, dict) and entry.get("operation") in (APPLY, UPDATE)
        if not known or not entry.get("apiVersion") or entry.get("fieldsType") != "FieldsV1":
            return None
    return list(entries)


def _fields(entry: Obj) -> FieldSet:
    fields: FieldSet = entry.get("fieldsV1") or {}
    return fields
