# SPDX-License-Identifier: BSL-1.0
"""Sleepers one after another take the sum of their times, all at once the longest, and none sleeps on after a failure."""

import re
import unittest

from experiments import PROGRAM, ExperimentTest, run, run_undisturbed

# More than that would be another sleeper.
HALF_A_UNIT = 0.5

NAP = re.compile(r"^  at ([\d.]+) the sleeper of (\d) (woke|failed|was cancelled)$", re.MULTILINE)
PARTS = ("one after another", "when_all", "when_all, and the third of four fails",
         "when_all_settled, and the third of four fails")


class Sleepers(ExperimentTest):
    @classmethod
    def setUpClass(cls):
        cls.result = run_undisturbed(PROGRAM, "--unit", "100ms")

    def assert_units(self, told, units):
        self.assertAlmostEqual(float(told), units, delta=HALF_A_UNIT, msg=self.result)

    def assert_naps(self, part, *naps):
        """In that part these slept, and ended in that order, at that time, and that way."""
        follows = self.result.output.split(f"{part}:\n")[1]
        told = NAP.findall(follows[:follows.index("\n|")])
        self.assertEqual([(int(who), how) for _, who, how in told], [(who, how) for _, who, how in naps], self.result)
        for (at, _, _), (units, _, _) in zip(told, naps):
            self.assert_units(at, units)

    def test_all_came_out_as_it_should(self):
        self.assert_right(self.result)
        # 6, 3, 3 and 4 units, by a clock of ours, and the start of a process.
        self.assertAlmostEqual(self.result.seconds / 0.1, 16, delta=4 * HALF_A_UNIT, msg=self.result)

    def test_one_after_another_they_take_the_sum(self):
        self.assert_naps(PARTS[0], (3, 3, "woke"), (5, 2, "woke"), (6, 1, "woke"))
        self.assert_units(self.result.ours("sleepers: one after another").removesuffix(" units"), 6)

    def test_all_at_once_they_take_the_longest(self):
        self.assert_naps(PARTS[1], (1, 1, "woke"), (2, 2, "woke"), (3, 3, "woke"))
        self.assert_units(self.result.ours("sleepers: when_all").removesuffix(" units"), 3)

    def test_after_a_failure_the_fourth_is_cancelled_and_nobody_sleeps_on(self):
        self.assert_naps(PARTS[2], (1, 1, "woke"), (2, 2, "woke"), (3, 3, "failed"), (3, 4, "was cancelled"))
        ours = self.result.ours("sleepers: when_all, the third of four fails")
        told = re.fullmatch(r"rejected at ([\d.]+) units; asleep then: 0", ours)
        self.assertTrue(told, ours)
        self.assert_units(told[1], 3)

    def test_settled_all_four_end_in_their_own_way(self):
        self.assert_naps(PARTS[3], (1, 1, "woke"), (2, 2, "woke"), (3, 3, "failed"), (4, 4, "woke"))
        took, states = self.result.ours("sleepers: when_all_settled").split(" units: ")
        self.assertEqual(states, "fulfilled fulfilled rejected fulfilled")
        self.assert_units(took, 4)

    def test_bad_units_are_refused(self):
        for unit in ("0s", "fast", "2h"):
            with self.subTest(unit):
                self.assert_one_line(run(PROGRAM, "--unit", unit), 2, "--unit")

    def test_help(self):
        told = run(PROGRAM, "--help")
        self.assertEqual((told.status, told.errors), (0, ""), told)
        self.assertIn("--unit TIME", told.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
