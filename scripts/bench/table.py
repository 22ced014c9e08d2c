# SPDX-License-Identifier: BSL-1.0
"""The Markdown of scripts/bench.sh, and the tab-separated file that its plots are made from."""

import dataclasses

NOTHING = "–"


@dataclasses.dataclass
class Row:
    """What was measured of one contender; None where it was not."""

    contender: object
    seconds: float | None = None
    time_ratio: float | None = None
    instructions: float | None = None
    instructions_ratio: float | None = None
    counts: dict | None = None


def number(value, decimals=0):
    return NOTHING if value is None else f"{value:,.{decimals}f}"


def ratio(value):
    return NOTHING if value is None else f"{value:.2f} ×"


def markdown(head, lines):
    """The first column of each is text, the others are numbers unless the head says 'left'."""
    marks = [":--" if left else "--:" for _, left in head]
    out = [[title for title, _ in head], marks, *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in out) + "\n"


def results(rows):
    head = [("workload", True), ("contender", True), ("time", False), ("instructions", False), ("ratio", False)]
    head += [("allocations", False), ("bytes", False), ("peak KiB", False)]
    lines = []
    for row in rows:
        counts = row.counts or {}
        peak = counts.get("peak_live_bytes")
        lines.append(
            [
                row.contender.workload,
                f"`{row.contender.short_name}`",
                ratio(row.time_ratio),
                number(row.instructions),
                ratio(row.instructions_ratio),
                NOTHING if not counts else short(counts["allocations_per_child"]),
                number(counts.get("bytes_per_child")),
                number(peak and peak[0] / 1024),
            ]
        )
    return markdown(head, lines)


def bounds(verdicts):
    head = [("bound", True), ("figure", False), ("at most", False), ("", True)]
    lines = [
        [
            verdict.bound.says,
            f"{short(verdict.figure)} {verdict.bound.unit}",
            f"{short(verdict.bound.at_most)} {verdict.bound.unit}",
            "ok" if verdict.held else "MISS",
        ]
        for verdict in verdicts
    ]
    return markdown(head, lines)


def short(value):
    """At most three decimals, and none that are 0."""
    return f"{value:,.3f}".rstrip("0").rstrip(".")


def tsv(rows):
    """workload, contender, size, metric, value, ratio to the floor: see benchmarks/plots."""
    lines = ["workload\tcontender\tsize\tmetric\tvalue\tratio"]
    floors = {row.contender.name: row for row in rows}
    for row in rows:
        contender, floor = row.contender, floors.get(row.contender.floor)
        for metric in metrics(row):
            of_floor = metrics(floor).get(metric) if floor else None
            if metric == "time":
                quotient = row.time_ratio
            else:
                quotient = metrics(row)[metric] / of_floor if of_floor else None
            lines.append(
                "\t".join(
                    [
                        contender.workload,
                        contender.short_name.partition("@")[0],
                        contender.variant or str(contender.size),
                        metric,
                        f"{metrics(row)[metric]:.9g}",
                        "-" if quotient is None else f"{quotient:.4f}",
                    ]
                )
            )
    return "\n".join(lines) + "\n"


def metrics(row):
    found = {"time": row.seconds, "instructions": row.instructions}
    if row.counts:
        found["allocations"] = row.counts["allocations_per_child"]
        found["bytes"] = row.counts["bytes_per_child"]
        found["peak"] = row.counts["peak_live_bytes"][0]
    return {metric: value for metric, value in found.items() if value is not None}
