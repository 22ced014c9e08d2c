# SPDX-License-Identifier: BSL-1.0
"""Checks a file in Chrome's trace event format, by its document ("Trace Event Format") and by what its viewers do.

Of the format it knows what a fan-out's trace needs: complete events (X), counters (C), instants (i), flows (s, f), and
the names of processes and threads (M). Any other event is refused.
"""

import dataclasses
import decimal
import json
import math
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
HANG = 60
# Of the names of colours that chrome://tracing knows; another one it does not open.
COLOURS = ("good", "bad", "terrible", "generic_work", "black", "grey", "white", "yellow", "olive")


@dataclasses.dataclass
class Slice:
    name: str
    row: tuple  # (pid, tid)
    start: decimal.Decimal  # in microseconds, exactly as the file has it
    end: decimal.Decimal
    args: dict


def check(path):
    """What the file has, as a dictionary; an AssertionError that says which event is wrong.

    processes  {pid: name}
    rows       {(pid, tid): (name, [Slice, … by start])}, those with slices
    counters   {(pid, name): [(ts, args), …]}
    instants   [event, …]
    flows      [(Slice, Slice), …], the slices that each arrow leads from and to
    """
    document = _read(path)
    assert isinstance(document, dict) and isinstance(document.get("traceEvents"), list), "no object with traceEvents"
    assert document.get("displayTimeUnit", "ms") in ("ms", "ns"), f"displayTimeUnit {document['displayTimeUnit']!r}"
    events = document["traceEvents"]
    for number, event in enumerate(events):
        try:
            _check_event(event)
        except AssertionError as error:
            raise AssertionError(f"event {number}, {_shown(event)}: {error}") from None

    processes, threads = _names(events)
    slices = {id(event): Slice(event["name"], _row(event), event["ts"], event["ts"] + event["dur"],
                               event.get("args", {}))
              for event in events if event["ph"] == "X"}
    rows = {}
    for found in slices.values():
        assert found.row in threads, f"no name for the row {found.row} of {found}"
        rows.setdefault(found.row, (threads[found.row], []))[1].append(found)
    for _, row in rows.values():
        row.sort(key=lambda found: (found.start, found.end))
        for one, next_one in zip(row, row[1:]):
            assert one.end <= next_one.start, f"two slices of one row overlap: {one} and {next_one}"
    for event in events:
        assert event["pid"] in processes, f"no name for the process of {_shown(event)}"

    counters = {}
    for event in events:
        if event["ph"] == "C":
            counters.setdefault((event["pid"], event["name"]), []).append((event["ts"], event["args"]))
    return {
        "processes": processes,
        "rows": rows,
        "counters": counters,
        "instants": [event for event in events if event["ph"] == "i"],
        "flows": _flows(events, slices),
    }


def check_speedscope(path):
    """speedscope reads the same rows with the same slices, and complains of nothing. Returns its profiles."""
    rows, processes = (check(path)[what] for what in ("rows", "processes"))
    imported = _import(path)
    assert not imported["complaints"], f"speedscope complains: {imported['complaints'][:3]}"
    expected = {f"{processes[pid]} (pid {pid}), {name} (tid {tid})": row for (pid, tid), (name, row) in rows.items()}
    profiles = {profile["name"]: profile for profile in imported["profiles"]}
    assert len(profiles) == len(imported["profiles"]), f"two profiles of one name: {sorted(profiles)}"
    assert set(profiles) == set(expected), f"speedscope has {sorted(profiles)} and not {sorted(expected)}"
    for name, profile in profiles.items():
        assert profile["unit"] == "microseconds", f"{name}: unit {profile['unit']}"
        calls, row = profile["calls"], expected[name]
        assert len(calls) == len(row), f"{name}: {len(calls)} calls, and {len(row)} slices"
        for call, wanted in zip(calls, row):
            # It begins each profile at 0, and adds a slice's arguments to its name.
            start, end = float(wanted.start - row[0].start), float(wanted.end - row[0].start)
            right = (call["depth"] == 0 and call["name"].startswith(wanted.name) and
                     abs(call["start"] - start) < 1e-3 and abs(call["end"] - end) < 1e-3)
            assert right, f"{name}: {call} is not {wanted}"
    return imported["profiles"]


def _read(path):
    def constant(name):
        raise AssertionError(f"{name} is no JSON")

    def members(pairs):
        found = dict(pairs)
        assert len(found) == len(pairs), f"a name twice in one object: {[name for name, _ in pairs]}"
        return found

    with open(path, encoding="utf-8", errors="strict") as file:
        try:
            return json.load(file, parse_float=decimal.Decimal, parse_constant=constant, object_pairs_hook=members)
        except ValueError as error:
            raise AssertionError(f"no JSON in UTF-8: {error}") from None


def _number(value):
    return isinstance(value, (int, decimal.Decimal)) and not isinstance(value, bool) and math.isfinite(value)


def _whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _shown(event):
    return json.dumps(event, default=str, ensure_ascii=False)[:200]


def _row(event):
    return event["pid"], event["tid"]


def _check_event(event):
    assert isinstance(event, dict), "no object"
    phase = event.get("ph")
    assert phase in ("X", "C", "i", "s", "f", "M"), f"ph is {phase!r}"
    assert isinstance(event.get("name"), str) and event["name"], "no name"
    assert isinstance(event.get("cat", ""), str), "cat is no text"
    assert _whole(event.get("pid")), "pid is no small whole number"
    args = event.get("args", {})
    assert isinstance(args, dict), "args is no object"
    assert event.get("cname", "good") in COLOURS, f"cname is {event['cname']!r}"
    scope = None
    if phase == "i":
        scope = event.get("s")
        assert scope in ("g", "p", "t"), f"the scope s of an instant is {scope!r}"
    # What is of the whole process or of all may leave out its thread, and what names something its time.
    if phase in ("X", "s", "f") or scope == "t" or event["name"].startswith("thread_") or "tid" in event:
        assert _whole(event.get("tid")), "tid is no small whole number"
    if phase != "M" or "ts" in event:
        assert _number(event.get("ts")) and event["ts"] >= 0, "ts is no time"
    if phase == "X":
        assert _number(event.get("dur")) and event["dur"] >= 0, "dur is no time"
    if phase == "C":
        assert args and all(map(_number, args.values())), "a counter's args are not all numbers"
    if phase in ("s", "f"):
        assert isinstance(event.get("id"), (int, str)) and not isinstance(event["id"], bool), "a flow without an id"
        if isinstance(event["id"], str):  # Perfetto's reading
            assert _is_hexadecimal(event["id"]), f"the id {event['id']!r} is no hexadecimal number"
        assert event.get("cat"), "a flow without a category"
    if phase == "f":
        assert event.get("bp") == "e", 'an end of a flow without "bp":"e" leads to the slice after it'
    if phase == "M":
        if event["name"] in ("process_name", "thread_name"):
            assert isinstance(args.get("name"), str) and args["name"], "args.name is no name"
        else:
            assert event["name"] in ("process_sort_index", "thread_sort_index"), "unknown metadata"
            assert isinstance(args.get("sort_index"), int), "args.sort_index is no number"


def _is_hexadecimal(text):
    try:
        return 0 <= int(text, 16) < 2**64
    except ValueError:
        return False


def _names(events):
    """({pid: name}, {(pid, tid): name})"""
    processes, threads = {}, {}
    for event in events:
        if event["name"] in ("process_name", "thread_name") and event["ph"] == "M":
            names, key = (processes, event["pid"]) if event["name"] == "process_name" else (threads, _row(event))
            assert key not in names, f"a second name: {_shown(event)}"
            names[key] = event["args"]["name"]
    return processes, threads


def _flows(events, slices):
    """[(Slice, Slice), …], as Perfetto binds them: to what began last on the row, by time, then by place in the file."""
    latest, ends = {}, {}
    # To Perfetto an instant of a thread is a slice, too, of no length.
    timed = [event for event in events if event["ph"] in ("X", "s", "f") or event.get("s") == "t"]
    for event in sorted(timed, key=lambda event: event["ts"]):
        if event["ph"] in ("X", "i"):
            latest[_row(event)] = slices.get(id(event))
            continue
        bound = latest.get(_row(event))
        assert bound, f"the flow's {event['ph']} is on no slice: {_shown(event)}"
        assert bound.start <= event["ts"] <= bound.end, f"the flow's {event['ph']} is outside {bound}: {_shown(event)}"
        flow = ends.setdefault((event["cat"], event["name"], event["id"]), {})
        assert event["ph"] not in flow, f"a second {event['ph']} of one flow: {_shown(event)}"
        flow[event["ph"]] = (event["ts"], bound)
    for key, flow in ends.items():
        assert set(flow) == {"s", "f"}, f"the flow {key} has no {'f' if 's' in flow else 's'}"
        assert flow["s"][0] <= flow["f"][0], f"the flow {key} ends before it begins"
    ids = [key[2] for key in ends]
    assert len(set(ids)) == len(ids), "one id for flows of two names"
    return [(flow["s"][1], flow["f"][1]) for flow in ends.values()]


def _import(path):
    """What speedscope_import.mjs prints."""
    # The folder is where scripts/setup.sh has put it.
    folder = subprocess.run(["bash", "-c", '. "$0" && printf %s "$fanout_speedscope"',
                             os.path.join(HERE, "..", "..", "scripts", "paths.sh")],
                            check=True, capture_output=True, text=True).stdout
    assert os.path.isdir(folder), "there is no speedscope here; scripts/setup.sh test installs it"
    done = subprocess.run(["node", os.path.join(HERE, "speedscope_import.mjs"), folder, path],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, f"speedscope cannot read it: {done.stderr[:500]}"
    return json.loads(done.stdout)
