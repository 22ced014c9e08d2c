#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""What the documents show of the lab is what it prints: a `scripts/lab.sh …` in a block of commands is run, and each line of
the block of text behind it must be in its output. (Against the simulated backend, whose output the seed decides.)"""

import os
import re
import shlex
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHOWN = re.compile(r"^```sh\n(?P<command>scripts/lab\.sh [^`]*)^```\n\n^```text\n(?P<output>.*?)^```$", re.MULTILINE | re.DOTALL)


class LabOutput(unittest.TestCase):
    def test_the_documents_show_what_the_lab_prints(self):
        checked = 0
        for document in sorted(ROOT.glob("docs/**/*.md")):
            for shown in SHOWN.finditer(document.read_text()):
                arguments = shlex.split(shown["command"].replace("\\\n", " "))[1:]
                with self.subTest(document=document.name, arguments=arguments):
                    run = subprocess.run([os.environ["FANOUT_LAB"], *arguments], stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, text=True, timeout=120)
                    self.assertEqual((run.returncode, run.stderr), (0, ""))
                    printed = [line.rstrip() for line in run.stdout.splitlines()]
                    for line in shown["output"].splitlines():
                        self.assertIn(line.rstrip(), printed)
                    checked += 1
        self.assertGreaterEqual(checked, 2, "the documents show no output of the lab any more")


if __name__ == "__main__":
    unittest.main()
