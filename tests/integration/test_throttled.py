# SPDX-License-Identifier: BSL-1.0
"""A DynamoDB that is asked for more than it grants: how much of it each limit asks for."""

import unittest

from snapshot import ServersTestCase
from throttled_table import PER_SECOND, run_under


class ByLoad(ServersTestCase):
    """A table that grants so many updates per second."""

    def run_under(self, limit):
        """The run's report, of a run that recorded everything; the program's count is the table's."""
        videos, run, throttled = run_under(limit, self)
        self.assert_recorded(run, 1000)
        self.assert_history(videos)
        report = run.report
        print(f"--limit {limit}: {throttled} throttled replies, {run.summary.seconds:.1f} s", flush=True)
        self.assertEqual(report["throttled_replies"], throttled, run)
        self.assertEqual(report["limit_given"], limit, run)
        return report

    def test_adaptive_is_throttled_less_than_unlimited(self):
        unlimited = self.run_under("unlimited")
        adaptive = self.run_under("adaptive")
        self.assertLess(adaptive["throttled_replies"], unlimited["throttled_replies"])
        self.assertIsNone(unlimited["limit_at_end"])
        # A limit that learns nothing ends at its maximum, 1,000.
        self.assertIn(adaptive["limit_at_end"], range(1, 100))

    def test_a_rate_below_the_tables_own_is_hardly_throttled(self):
        # Well below, so that a machine that stalls for a moment makes no difference.
        per_second = PER_SECOND * 3 // 4
        report = self.run_under(f"rate:{per_second}/s:5")
        self.assertLessEqual(report["throttled_replies"], 20)
        self.assertGreaterEqual(report["seconds"], 995 / per_second - 0.01)


if __name__ == "__main__":
    unittest.main(verbosity=2)
