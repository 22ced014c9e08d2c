# SPDX-License-Identifier: BSL-1.0
"""Runs an example program that reproduces an experiment of the articles, and reads what it reports.

The rows that it reports are also added to the file that FANOUT_EXPERIMENTS names, if it names one. As a program,
`experiments.py ROWS LOG` prints what was collected there as one table, and fails if a program whose test passed, as
ctest's LOG says, reported nothing.
"""

import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree
from urllib.parse import unquote, urlsplit

import trace_format
from processes import end_with_parent

# In the order in which docs/tutorial has them.
PROGRAMS = ("sleepers", "product_reorder", "transaction_fanout", "favorite_summoner", "favorite_people", "connections")
# What fanout_add_experiment_test() made for this test.
PROGRAM = os.environ.get("FANOUT_PROGRAM")
# No run of these tests comes near this; one that reaches it hangs.
HANG = 120

ROW = re.compile(r"^\| ([^|\n]+) \| ([^|\n]*) \| ([^|\n]*) \|$", re.MULTILINE)
HEARTBEAT = re.compile(r"^heartbeat: \d+ beats, at most (\d+) ms late; (\d+) by more than 100 ms", re.MULTILINE)


@dataclasses.dataclass
class Result:
    status: int
    output: str
    errors: str
    seconds: float = 0  # from the start of the process to its end, by a clock that is not its own

    @property
    def report(self):
        """What --json printed, as a dictionary; None where the output is text."""
        return json.loads(self.output) if self.output.startswith("{") else None

    @property
    def rows(self):
        """[(experiment, the article's figure, ours), …] as the program's notebook has them."""
        if report := self.report:
            return [(row["experiment"], row["article"], row["ours"]) for row in report["rows"]]
        return ROW.findall(self.output)

    @property
    def heartbeat_late(self):
        """How often the event loop was held up for more than 100 ms; None if the program did not come to say so."""
        if report := self.report:
            return report["heartbeat"]["late"]
        found = HEARTBEAT.search(self.output)
        return int(found[2]) if found else None

    @property
    def heartbeat_worst(self):
        """How long the event loop, or the machine under it, was held up at most, in milliseconds; or None."""
        if report := self.report:
            return report["heartbeat"]["worst_ms"]
        found = HEARTBEAT.search(self.output)
        return int(found[1]) if found else None

    def ours(self, experiment):
        """Our figure of the one row of that name, as text."""
        found = [ours for name, _, ours in self.rows if name == experiment]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} rows named {experiment!r}: {self}")
        return found[0]


def start(program, *arguments, env=None, **options):
    """Starts the program. Of this process's environment it sees nothing but PATH; `env` is what it sees besides."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(env or {})}
    running = subprocess.Popen([program, *map(str, arguments)], env=environment, text=True, errors="replace",
                               **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                                  "preexec_fn": end_with_parent, **options})
    running.started = time.monotonic()
    running.told = (*map(str, arguments), *environment.values())
    return running


def finish(running, before="", record=None):
    """Waits for the end. `before` is what was read of its output already.

    Its rows are recorded if it ended with status 0; with `record` given, if that is true.
    """
    try:
        output, errors = running.communicate(timeout=HANG)
    except subprocess.TimeoutExpired:
        running.kill()
        raise AssertionError(f"hangs: {running.communicate()}") from None
    result = Result(running.returncode, before + (output or ""), errors, time.monotonic() - running.started)
    for secret in secrets(running.told):
        if secret in result.output + result.errors:
            raise AssertionError("a password was printed")
    rows = os.environ.get("FANOUT_EXPERIMENTS")
    if rows and (result.status == 0 if record is None else record):
        with open(rows, "a", encoding="utf-8") as file:
            file.write("".join(f"| {' | '.join(row)} |\n" for row in result.rows))
    return result


def run(program, *arguments, env=None, record=None):
    return finish(start(program, *arguments, env=env), record=record)


def run_undisturbed(program, *arguments, env=None, late=25, times=8):
    """A run that measures time, made again while the heartbeat beside it says that the machine was `late` ms busy with
    something else. What the last of `times` says counts, whatever the heartbeat said.
    """
    for _ in range(times):
        result = run(program, *arguments, env=env)
        if result.heartbeat_worst is None or result.heartbeat_worst <= late:
            break
    return result


def secrets(texts):
    """The passwords of the URLs among these, as they are and as the URL has them."""
    found = set()
    for text in texts:
        password = urlsplit(text).password if "://" in text else None
        if password:
            found |= {password, unquote(password)}
    return found


class Pictures:
    """A trace and a waterfall in a folder of their own: `options` has a program write them."""

    def __init__(self, test):
        """`test` is what removes them in the end: a test, or the class of one."""
        folder = tempfile.TemporaryDirectory(prefix="fanout-pictures-")
        (test.addClassCleanup if isinstance(test, type) else test.addCleanup)(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.trace, self.waterfall = self.folder / "trace.json", self.folder / "waterfall.svg"
        self.options = ("--trace", self.trace, "--waterfall", self.waterfall)


# What --json tells of a part, and how it must add up.
COUNTS = ("attempts", "fulfilled", "rejected", "timed_out", "cancelled", "not_started", "retries", "peak_in_flight")
SVG = "{http://www.w3.org/2000/svg}"


class ExperimentTest(unittest.TestCase):
    def assert_right(self, result):
        """It ended well, said so on standard output alone, and never blocked its event loop."""
        self.assertEqual((result.status, result.errors), (0, ""), result)
        self.assertIsNotNone(result.heartbeat_late, result)
        self.assertLessEqual(result.heartbeat_late, 1, result)

    def assert_report(self, result, program, *parts):
        """Its output is one JSON object that adds up, and has these parts. Returns the parts, by name."""
        report = result.report
        self.assertIsNotNone(report, result)
        self.assertEqual(result.output.count("\n"), 1, result)
        self.assertEqual(list(report), ["program", "right", "error", "rows", "heartbeat", "fan_outs"])
        self.assertEqual((report["program"], report["right"]), (program, result.status == 0), result)
        self.assertEqual([part["name"] for part in report["fan_outs"]], list(parts), result)
        for part in report["fan_outs"]:
            with self.subTest(part["name"]):
                self.assert_adds_up(part)
        return {part["name"]: part for part in report["fan_outs"]}

    def assert_adds_up(self, part):
        for name in COUNTS:
            self.assertIsInstance(part[name], int, part)
            self.assertGreaterEqual(part[name], 0, part)
        inputs = part["fulfilled"] + part["rejected"] + part["not_started"]
        if part["inputs"] is not None:
            self.assertEqual(inputs, part["inputs"], part)
        self.assertEqual(part["attempts"], inputs - part["not_started"] + part["retries"], part)
        self.assertLessEqual(part["timed_out"] + part["cancelled"], part["rejected"], part)
        self.assertLessEqual(part["peak_in_flight"], part["attempts"], part)
        self.assertLessEqual(part["parallelism"], part["peak_in_flight"] + 1e-6, part)
        self.assertGreater(part["seconds"], 0, part)
        latency = [part["latency"][name] for name in ("p50", "p90", "p99", "max")]
        self.assertEqual(latency, sorted(latency), part)
        # What ran, ran within the time of the whole.
        self.assertLessEqual(latency[-1], part["seconds"], part)
        self.assertLessEqual(part["waited"], part["seconds"] * part["attempts"], part)

    def assert_pictures(self, pictures, *parts, attempts=None):
        """The trace and the waterfall are what their viewers take, have these parts and no others, and beside them
        nothing was left behind. `attempts` is how many ran, by part. Returns what the trace has."""
        self.assertEqual(sorted(os.listdir(pictures.folder)), sorted((pictures.trace.name, pictures.waterfall.name)))
        trace = trace_format.check(pictures.trace)
        self.assertEqual(list(trace["processes"].values()), list(parts))
        ran = dict.fromkeys(trace["processes"], 0)
        for (process, _), (_, slices) in trace["rows"].items():
            ran[process] += len(slices)
        ran = {trace["processes"][process]: count for process, count in ran.items()}
        for part in parts:
            self.assertGreater(ran[part], 0, part)
            if attempts is not None:
                self.assertEqual(ran[part], attempts[part], part)
        drawn = xml.etree.ElementTree.parse(pictures.waterfall).getroot()
        self.assertEqual(drawn.tag, f"{SVG}svg")
        words = {"".join(text.itertext()) for text in drawn.iter(f"{SVG}text")}
        self.assertLessEqual(set(parts), words)
        return trace

    def assert_one_line(self, result, status, *says):
        """It failed with that status, and with one line that matches each of the expressions."""
        self.assertEqual(result.status, status, result)
        lines = result.errors.splitlines()
        self.assertEqual(len(lines), 1, result)
        for words in says:
            self.assertRegex(lines[0], words)


def table(text):
    """The rows as one aligned table: programs in order, a program's rows as it reported them, the latest of a name."""
    rows = {experiment: (article, ours) for experiment, article, ours in ROW.findall(text)}
    names = [experiment.split(":")[0] for experiment in rows]
    order = [*PROGRAMS, *sorted(set(names) - set(PROGRAMS))]
    lines = [("experiment", "article", "ours")]
    for program in order:
        lines += [(experiment, *figures) for experiment, figures in rows.items() if experiment.split(":")[0] == program]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    printed = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([printed[0], "-+-".join("-" * width for width in widths), *printed[1:]]), set(names)


def main(rows, log):
    with open(rows, encoding="utf-8") as file:
        printed, reported = table(file.read())
    with open(log, encoding="utf-8", errors="replace") as file:
        passed = set(re.findall(r"Test +#\d+: integration\.(\w+) \.+ +Passed", file.read()))
    if reported:
        print(f"\n{printed}\n")
    silent = [program for program in PROGRAMS if program in passed - reported]
    for program in silent:
        print(f"experiments: the test of {program} passed, but its figures were not recorded", file=sys.stderr)
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
