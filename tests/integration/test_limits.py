# SPDX-License-Identifier: BSL-1.0
"""A DynamoDB that turns some away, is not there, or falls over in the middle: what each limit makes of it.

Nothing here depends on when what is sent; test_throttled.py has what does.
"""

import re
import unittest

from servers import ThrottlingProxy, free_port
from snapshot import ServersTestCase
from throttled_table import ThrottledTestCase

LIMITS = ("rate:500/s", "rate:30000/min:50", "adaptive", "adaptive:16")


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

    def test_people_are_told_how_many_replies_were_throttled(self):
        with ThrottlingProxy(self.dynamodb, 5) as proxy:
            self.add_thousand()
            run = self.snapshot("--strategy", "retry", "--limit", "adaptive", "--max-attempts", 20, dynamodb=proxy.url)
            self.assert_recorded(run, 1000)
            self.assertRegex(run.output.splitlines()[-2],
                             rf"^{proxy.throttled()} replies were throttled; the limit ended at [0-9]+$")


class ByLoad(ThrottledTestCase):
    def test_adaptive_is_throttled_less_than_unlimited(self):
        unlimited = self.run_under("unlimited")
        adaptive = self.run_under("adaptive")
        self.assertLess(adaptive["throttled_replies"], unlimited["throttled_replies"])
        self.assertIsNone(unlimited["limit_at_end"])
        # A limit that learns nothing ends at its maximum, 1,000.
        self.assertIn(adaptive["limit_at_end"], range(1, 100))


class NewLimits(ServersTestCase):
    """Under each limit the job ends, and says what came of it, whatever the server does."""

    def test_no_server_at_all(self):
        self.add_videos([("a", 1)])
        port = free_port()
        for limit in LIMITS:
            with self.subTest(limit):
                run = self.snapshot("--limit", limit, dynamodb=f"http://127.0.0.1:{port}")
                self.assert_one_line(run, "(?i)refused", str(port))

    def test_a_table_that_is_not_there(self):
        self.add_videos([("a", 1)])
        for limit in LIMITS:
            with self.subTest(limit):
                self.assert_one_line(self.snapshot("--limit", limit, table="Nowhere"), "Nowhere")

    def test_all_strategies_record_under_all_limits(self):
        self.add_videos([(f"video-{i:03}", i * 37) for i in range(400)])
        for strategy in ("when_all", "settled", "retry"):
            for limit in LIMITS:
                with self.subTest(strategy=strategy, limit=limit):
                    self.client.delete_table(TableName="VideoTable")
                    self.create_table()
                    self.assert_recorded(self.snapshot("--strategy", strategy, "--limit", limit), 400)

    def test_bad_limits_are_refused_in_one_line(self):
        for limit in ("0", "rate:", "rate:0/s", "rate:-1/s", "rate:500", "rate:500/h", "rate:5/s:0", "rate:nan/s",
                      "adaptive:", "adaptive:0", "adaptive:x", "adaptiv", "rate:1000001/s", ""):
            with self.subTest(limit):
                run = self.snapshot("--limit", limit)
                self.assertEqual(run.status, 2, run)
                self.assert_one_line(run, "--limit: ")
                self.assertEqual(run.output, "", run)


class Dies(ServersTestCase):
    """DynamoDB dies in the middle and stays dead: the run gives up, and its numbers add up."""

    def check(self, limit):
        self.add_thousand()
        running = self.start("--strategy", "retry", "--limit", limit, "--max-attempts", 3)
        self.wait_until_recorded(running, 50)
        self.addCleanup(self.dynamodb.start)
        self.dynamodb.kill()
        run = running.wait()
        self.assertEqual(run.status, 1, run)
        found = re.fullmatch(r"snapshot: (\d+) fulfilled, (\d+) rejected, (\d+) not started, \? doubled; .*",
                             run.output.splitlines()[-1])
        self.assertTrue(found, run)
        fulfilled, rejected, not_started = map(int, found.groups())
        self.assertEqual(fulfilled + rejected + not_started, 1000, run)
        self.assertGreaterEqual(fulfilled, 50, run)
        self.assertGreater(rejected, 0, run)

    def test_adaptive(self):
        self.check("adaptive:4")

    def test_rate(self):
        self.check("rate:300/s")


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
