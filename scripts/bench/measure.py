# SPDX-License-Identifier: BSL-1.0
"""Runs the programs of benchmarks/ and tells what they measured. See benchmarks/support/main.cpp for their options."""

import dataclasses
import json
import re
import statistics
import subprocess

SECONDS_AT_MOST = 600


class MeasurementError(Exception):
    """Something could not be measured: what ran, and what it said."""


def run(command, timeout=SECONDS_AT_MOST):
    """The finished process; what fails is no measurement."""
    text = " ".join(map(str, command))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise MeasurementError(f"{text}\n  took more than {timeout} s") from None
    except OSError as error:
        raise MeasurementError(f"{text}\n  could not be run: {error.strerror}") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "it said nothing")[-2000:]
        raise MeasurementError(f"{text}\n  failed with status {done.returncode}: {said}")
    return done


@dataclasses.dataclass(frozen=True)
class Contender:
    """A line of `PROGRAM --list`."""

    name: str
    floor: str
    each: str
    size: int
    program: str

    @property
    def workload(self):
        return self.name.partition("/")[0]

    @property
    def short_name(self):
        """Without the workload."""
        return self.name.partition("/")[2]

    @property
    def variant(self):
        """What stands behind the '@'."""
        return self.name.partition("@")[2]

    def instructions(self):
        """What one more child takes, counted by callgrind at `size` and at twice that."""
        once, twice = (self._collected(n) for n in (self.size, 2 * self.size))
        return (twice - once) / self.size

    def _collected(self, n):
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        command += [self.program, "--run", self.name, str(n)]
        said = run(command).stderr
        found = re.search(r"Collected : (\d+)", said)
        if not found:
            raise MeasurementError(f"{' '.join(command)}\n  counted nothing: {said.strip()[-2000:]}")
        return int(found[1])

    def counts(self, children=None):
        """Allocations and memory, as the program tells them."""
        command = [self.program, "--count", self.name, str(children or self.size)]
        return self._json(command)

    def seconds(self, at_least):
        """The time of each child; the program repeats for `at_least` seconds."""
        command = [self.program, f"--benchmark_filter=^{re.escape(self.name)}/{self.size}(/|$)"]
        command += ["--benchmark_format=json", f"--benchmark_min_time={at_least}"]
        runs = self._json(command).get("benchmarks", [])
        if len(runs) != 1 or "error_message" in runs[0]:
            raise MeasurementError(f"{' '.join(command)}\n  timed nothing")
        timed = runs[0]
        wall = re.search("/(real|manual)_time$", timed["name"])
        time = timed["real_time" if wall else "cpu_time"]
        return time * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[timed["time_unit"]] / self.size

    @staticmethod
    def _json(command):
        said = run(command).stdout
        try:
            return json.loads(said)
        except ValueError:
            raise MeasurementError(f"{' '.join(command)}\n  printed no JSON: {said.strip()[-500:]}") from None


def contenders_of(program):
    """What a program has."""
    found = []
    for line in run([program, "--list"]).stdout.splitlines():
        try:
            name, floor, each, sizes = line.split("\t")
            found.append(Contender(name, floor, each, int(sizes.partition(",")[0]), program))
        except ValueError:
            raise MeasurementError(f"{program} --list\n  printed what is no contender: {line}") from None
    return found


def interleaved(contenders, rounds, at_least, tell):
    """For each name the times of all rounds; in each round every contender runs once."""
    times = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for contender in contenders:
            tell(f"times, round {number + 1} of {rounds}: {contender.name}")
            times[contender.name].append(contender.seconds(at_least))
    return times


def median_ratio(times, of, to):
    """The median over the rounds: what slows the machine down slows both runs of a round."""
    return statistics.median(a / b for a, b in zip(times[of], times[to], strict=True))
