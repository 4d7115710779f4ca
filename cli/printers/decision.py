"""A scheduling decision as text: for `pelamis why` and `pelamis why-not`. Pure.

The fields are those of kind Decision, `scheduler/explain/story.py`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Doc: TypeAlias = Mapping[str, Any]
# Best nodes shown.
_BEST = 5


def why(doc: Doc) -> list[str]:
    """Return the lines that say why a pod is where it is, or nowhere."""
    lines = [_headline(doc), *_score_line(doc), *_ranking(doc)]
    if doc["outcome"] in ("Unschedulable", "Preempting"):
        lines += _pending(doc)
    else:
        lines += _refused(doc.get("refused") or (), "Refused the pod then")
    lines += [*_group(doc), *_advice(doc), *_not_asked(doc)]
    for each in doc.get("earlier") or ():
        lines += ["", f"before, at {each['time']}: {_outcome(each)}"]
        lines += [f"  {each['message']}"] if each.get("message") else []
    return lines


def why_not(doc: Doc) -> list[str]:
    """Return the lines that say why a pod is not on one node, and what would have to change."""
    told, node = doc["onNode"], doc["onNode"]["node"]
    placed = doc["node"] if doc["outcome"] in ("Scheduled", "Unknown") else ""
    if placed == node:
        return [f"pod {_name(doc)} is on {node}"]
    lines = [f"pod {_name(doc)} is {f'on {placed}' if placed else 'on no node yet'}"]
    then, now = told.get("then"), told.get("now")
    if then is not None:
        lines += [
            "",
            f"When the scheduler decided, at {doc['time']}, {node} {_verdict(then, _THEN)}",
            *_at(then),
        ]
    elif doc.get("time"):
        lines += ["", "What was said of single nodes then is no longer kept."]
    if now is not None:
        lines += ["", f"Now {node} {_verdict(now, _NOW)}", *_at(now)]
    return [*lines, *_needs(told), *_not_asked(doc)]


def _name(doc: Doc) -> str:
    return f"{doc['metadata']['namespace']}/{doc['metadata']['name']}"


def _outcome(doc: Doc) -> str:
    match doc["outcome"]:
        case "Scheduled":
            return f"placed on {doc['node']}"
        case "Preempting":
            return f"no node would do; room is being made on {doc['node']}"
        case "Unschedulable":
            return "not placed" if _is_not_about_nodes(doc) else "no node would do"
        case "Held":
            return "it waits for the other pods of its group"
        case "Gated":
            return "not to be tried yet"
        case "Waiting":
            return "waiting for its turn"
    return f"on {doc['node']}"


def _headline(doc: Doc) -> str:
    told = [f"at {doc['time']}"] if doc.get("time") else []
    if doc.get("times", 1) > 1:
        told.append(f"the {_ordinal(doc['times'])} time with this result since {doc['since']}")
    elif doc.get("attempts", 1) > 1:
        told.append(f"at the {_ordinal(doc['attempts'])} attempt")
    gone = ["the pod is gone"] if doc.get("gone") else []
    more = f" ({', '.join([*told, *gone])})" if told or gone else ""
    text = f"pod {_name(doc)}: {_outcome(doc)}{more}"
    quiet = doc["outcome"] in ("Unschedulable", "Preempting") and not _is_not_about_nodes(doc)
    return text if quiet or not doc.get("message") else f"{text}\n{doc['message']}"


def _is_not_about_nodes(doc: Doc) -> bool:
    """Say whether a pod was refused although no node was: an extender failed, or its group lacks pods."""
    nobody = not doc.get("refused") and bool(doc.get("nodeCount"))
    return nobody and doc["outcome"] == "Unschedulable" and bool(doc.get("message"))


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _score_line(doc: Doc) -> Iterator[str]:
    if doc["outcome"] != "Scheduled":
        return
    count = doc.get("feasibleCount", 0)
    if "score" not in doc:
        yield f"{_nodes(count)} would have done, so none was scored"
    elif "runnerUp" in doc:
        margin = f"{doc['margin']} more than" if doc["margin"] else "as much as"
        rest = f"the next best of {_nodes(count)} that would have done"
        yield f"it scored {doc['score']}, {margin} {doc['runnerUp']}, {rest}"
    else:
        yield f"it scored {doc['score']}"


def _ranking(doc: Doc) -> list[str]:
    best = (doc.get("best") or ())[:_BEST]
    if not best:
        return []
    plugins = doc["plugins"]
    titles = [_title(each) for each in plugins]
    rows = [
        [each["node"], str(each["total"]), *(str(each["scores"][plugin["name"]]) for plugin in plugins)]
        for each in best
    ]
    return ["", *_table([["NODE", "SCORE", *titles], *rows])]


def _title(plugin: Doc) -> str:
    return plugin["name"] if plugin["weight"] == 1 else f"{plugin['name']} x{plugin['weight']}"


def _pending(doc: Doc) -> Iterator[str]:
    if doc["outcome"] == "Preempting" and doc.get("victims"):
        yield f"It waits for these pods to end: {_pods(doc['victims'])}"
    now = doc.get("now")
    if now is None:
        yield from _refused(doc.get("refused") or (), "Refused the pod then")
        yield from [] if _is_not_about_nodes(doc) else ["", doc.get("message", "")]
        return
    if now["feasibleCount"]:
        yield from ["", f"By now {_nodes(now['feasibleCount'])} would do; it is tried again in a moment."]
        # What is told below is so now.
        yield from [] if _is_not_about_nodes(doc) else [f"When it was tried last: {doc.get('message', '')}"]
    elif not now["nodeCount"]:
        yield from ["", "There are no nodes."]
    yield from _refused(now["refused"], _who_refuses(now["nodeCount"], now["feasibleCount"]))


def _who_refuses(nodes: int, feasible: int) -> str:
    if feasible:
        return f"{nodes - feasible} of {_nodes(nodes)} refuse it"
    return "The only node refuses it" if nodes == 1 else f"All {nodes} nodes refuse it"


def _refused(reasons: Sequence[Doc], title: str) -> list[str]:
    if not reasons:
        return []
    rows = [
        [f"  {each['nodes']}", each["reason"], each["plugin"], _examples(each)] for each in _merged(reasons)
    ]
    return ["", f"{title}:", *_table(rows)]


def _merged(reasons: Iterable[Doc]) -> list[Doc]:
    """Return one entry per reason: that preemption may help some of the nodes does not matter here."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for each in reasons:
        entry = found.setdefault((each["plugin"], each["reason"]), {**each, "nodes": 0, "examples": []})
        entry["nodes"] += each["nodes"]
        entry["examples"] = [*entry["examples"], *(each.get("examples") or ())][:3]
    return sorted(found.values(), key=lambda each: -each["nodes"])


def _examples(each: Doc) -> str:
    names = each.get("examples") or ()
    return ", ".join(names) + (", ..." if names and each["nodes"] > len(names) else "")


def _group(doc: Doc) -> list[str]:
    group = doc.get("podGroup")
    if group is None or doc["outcome"] == "Scheduled" or not group["message"]:
        return []
    return ["", f"Pod group {group['name']}: {group['message']}"]


def _not_asked(doc: Doc) -> list[str]:
    extenders = doc.get("notAsked")
    return ["", f"Not asked again: {', '.join(extenders)}"] if extenders else []


def _advice(doc: Doc) -> Iterator[str]:
    if "advice" not in doc:
        return
    if doc["advice"]:
        yield from ["", "The smallest single changes that would let it run, the smallest first:"]
        for number, each in enumerate(doc["advice"], 1):
            yield f"  {number}. {_change(each)}"
        return
    yield from ["", "No single change of the pod or of one node would let it run."]
    if near := doc.get("nearest"):
        reasons = "; ".join(each["reason"] for each in near["refused"])
        yield f"{near['node']} is the nearest to it: {reasons}"


def _change(advice: Doc) -> str:
    text = _change_here(advice)
    if not advice.get("patch"):
        return text
    return f"{text} ({advice['node']}{_and_more(advice['nodes'] - 1)} would take it)"


def _and_more(count: int) -> str:
    return f" and {_nodes(count)} more" if count else ""


def _pods(named: Doc) -> str:
    others = [f"{named['others']} of other namespaces"] if named.get("others") else []
    return ", ".join([*named["pods"], *others])


_THEN = ("was not there.", "would have done.", "refused it:")
_NOW = ("is not there.", "would do.", "refuses it:")


def _verdict(at: Doc, words: Sequence[str]) -> str:
    absent, feasible, refused = words
    if not at["present"]:
        return absent
    return feasible if at["feasible"] else refused


def _at(at: Doc) -> list[str]:
    if not at["present"]:
        return []
    reasons = (f"  {each['reason']} ({each['plugin']})" + _fact(each) for each in at["refused"])
    return [*reasons, *_comparison(at)]


def _fact(each: Doc) -> str:
    return f": {each['fact']}" if each.get("fact") else ""


def _comparison(at: Doc) -> list[str]:
    own, winner = at.get("scored"), at.get("winner")
    if own is None or winner is None or own["node"] == winner["node"]:
        return []
    rows = [["  PLUGIN", own["node"], winner["node"]]]
    rows += [
        [f"  {plugin}", str(score), str(winner["scores"][plugin])] for plugin, score in own["scores"].items()
    ]
    rows.append(["  with weights", str(own["total"]), str(winner["total"])])
    better = f"{_nodes(at['better'])} scored more:" if at["better"] else "None scored more; one was drawn:"
    return [f"  {better}", *_table(rows)]


def _needs(told: Doc) -> list[str]:
    needs = told.get("needs")
    if not needs:
        return []
    lines = ["", "What would have to change:"]
    shown = []
    for each in needs:
        advice = each["advice"]
        text = (
            _change_here(advice)
            if advice is not None
            else f"what {each['plugin']} says; no single change does it"
        )
        if text not in shown:
            shown.append(text)
    lines += [f"  - {text}" for text in shown]
    if len(shown) > 1 and told["enough"]:
        lines.append("All of these together are enough.")
    return lines


def _change_here(advice: Doc) -> str:
    pods = f": {_pods(advice['delete'])}" if "delete" in advice else ""
    return f"{advice['text']}{pods}"


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
