# SPDX-License-Identifier: BSL-1.0
"""Runs the video_snapshot program, and reads its summary; needs no client of any server."""

import dataclasses
import json
import os
import re
import subprocess

from processes import end_with_parent

PROGRAM = os.environ["FANOUT_VIDEO_SNAPSHOT"]
# No run of these tests comes near this; one that reaches it hangs.
HANG = 120

SUMMARY = re.compile(
    r"snapshot: (\d+) fulfilled, (\d+) rejected, (\d+) not started, (\d+) doubled; ([\d.]+) s, parallelism ([\d.]+)")


@dataclasses.dataclass
class Summary:
    fulfilled: int
    rejected: int
    not_started: int
    doubled: int
    seconds: float
    parallelism: float


@dataclasses.dataclass
class Run:
    status: int
    output: str
    errors: str

    @property
    def summary(self):
        """The last line of the output, which must be the summary."""
        lines = self.output.splitlines()
        found = SUMMARY.fullmatch(lines[-1]) if lines else None
        if not found:
            raise AssertionError(f"the last line is no summary: {self}")
        return Summary(*(int(n) for n in found.groups()[:4]), *(float(n) for n in found.groups()[4:]))

    @property
    def report(self):
        """With --json: the object on the line before the summary."""
        return json.loads(self.output.splitlines()[-2])


class Snapshot:
    """One process of the program. `secrets` must never show up in what it prints."""

    def __init__(self, *arguments, environment=None, secrets=()):
        self.secrets = secrets
        self.process = subprocess.Popen(
            [PROGRAM, *map(str, arguments)], text=True, errors="replace", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=end_with_parent,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(environment or {})})

    def wait(self):
        try:
            output, errors = self.process.communicate(timeout=HANG)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, errors = self.process.communicate()
            raise AssertionError(f"hangs: {output}{errors}") from None
        for secret in self.secrets:
            if secret in output + errors:
                raise AssertionError("a secret was printed")
        return Run(self.process.returncode, output, errors)

    def signal(self, number):
        self.process.send_signal(number)
