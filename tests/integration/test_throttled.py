# SPDX-License-Identifier: BSL-1.0
"""A DynamoDB that is asked too much, or falls over in the middle: everything is recorded, after retries."""

import unittest

from servers import ThrottlingProxy
from snapshot import ServersTestCase


class Throttled(ServersTestCase):
    def test_five_percent_of_the_replies(self):
        with ThrottlingProxy(self.dynamodb, 5) as proxy:
            videos = self.add_thousand()
            run = self.snapshot("--strategy", "retry", "--limit", 64, "--max-attempts", 8, dynamodb=proxy.url)
            self.assertGreater(proxy.throttled(), 10)
            self.assert_recorded(run, 1000)
            self.assert_history(videos)

    def test_without_retries_the_throttled_are_told_and_a_later_run_completes(self):
        with ThrottlingProxy(self.dynamodb, 5) as proxy:
            videos = self.add_thousand()
            run = self.snapshot("--strategy", "settled", "--limit", 64, dynamodb=proxy.url)
            self.assertGreater(run.status, 0, run)
            self.assertEqual(run.summary.rejected, proxy.throttled(), run)
            self.assertEqual(run.summary.fulfilled, self.recorded(), run)
            self.assertEqual(run.summary.fulfilled + run.summary.rejected, 1000, run)
        self.assert_recorded(self.snapshot("--strategy", "settled", "--limit", 64), 1000)
        self.assert_history(videos)


class Restarted(ServersTestCase):
    on_disk = True

    def test_killed_in_mid_run_and_started_again(self):
        videos = self.add_thousand()
        running = self.start("--strategy", "retry", "--limit", 16, "--max-attempts", 14)
        self.wait_until_recorded(running, 100)
        self.dynamodb.kill()
        self.dynamodb.start()
        self.assertLess(self.recorded(), 1000)
        run = running.wait()
        self.assert_recorded(run, 1000)
        self.assert_history(videos)


if __name__ == "__main__":
    unittest.main(verbosity=2)
