# SPDX-License-Identifier: BSL-1.0
"""A rate below what a DynamoDB grants: whoever keeps it is hardly throttled.

It runs by itself: a machine that has no time for it makes the requests late, and then too many come at once.
"""

import unittest

from throttled_table import PER_SECOND, ThrottledTestCase


class BelowTheRate(ThrottledTestCase):
    def test_a_rate_below_the_tables_own_is_hardly_throttled(self):
        # Well below, so that a machine that stalls for a moment makes no difference.
        per_second = PER_SECOND * 3 // 4
        report = self.run_under(f"rate:{per_second}/s:5")
        self.assertLessEqual(report["throttled_replies"], 20)
        self.assertGreaterEqual(report["seconds"], 995 / per_second - 0.01)


if __name__ == "__main__":
    unittest.main(verbosity=2)
