# SPDX-License-Identifier: BSL-1.0
"""The snapshot on real servers: what it records, and what a second run makes of the first one's rest."""

import signal
import unittest

from snapshot import ServersTestCase

RETRY = ("--strategy", "retry", "--limit", 64)


class Records(ServersTestCase):
    def test_sequential_and_fanned_out_give_the_same_table(self):
        videos = self.add_thousand()
        self.assert_recorded(self.snapshot("--strategy", "sequential"), 1000)
        self.assert_history(videos)
        sequential = self.history()
        for strategy in ("when_all", "settled", "retry"):
            with self.subTest(strategy):
                self.client.delete_table(TableName="VideoTable")
                self.create_table()
                self.assert_recorded(self.snapshot("--strategy", strategy, "--limit", 64), 1000)
                self.assertEqual(self.history(), sequential)

    def test_fanned_out_writes_run_side_by_side(self):
        videos = self.add_thousand()
        run = self.snapshot(*RETRY)
        self.assert_recorded(run, 1000)
        self.assert_history(videos)
        self.assertGreater(run.summary.parallelism, 4, run)
        self.assertLessEqual(run.summary.parallelism, 64, run)

    def test_a_second_run_of_the_day_leaves_one_entry(self):
        videos = self.add_thousand()
        for _ in range(2):
            self.assert_recorded(self.snapshot(*RETRY), 1000)
            self.assert_history(videos)

    def test_another_day_is_another_entry(self):
        videos = self.add_thousand()
        for date in ("2026-11-22", "2026-11-23"):
            self.assert_recorded(self.snapshot(*RETRY, date=date), 1000)
        self.assertEqual(self.history(), {
            video: [("2026-11-22", count), ("2026-11-23", count)] for video, count in videos.items()})

    def test_a_list_that_was_there_is_kept(self):
        self.add_videos([("old", 7)])
        entry = {"M": {"date": {"S": "2026-11-21T00:00:00Z"}, "view_count": {"N": "5"}}}
        self.client.put_item(TableName="VideoTable", Item={"id": {"S": "old"}, "history": {"L": [entry]}})
        for _ in range(2):
            self.assert_recorded(self.snapshot(*RETRY), 1)
        self.assertEqual(self.history(), {"old": [("2026-11-21", 5), ("2026-11-22", 7)]})

    def test_rows_as_they_come(self):
        videos = {
            "null": None,
            "zero": 0,
            "largest": 2**63 - 1,
            "it's \"quoted\" \\ and `ticked`": 1,
            "세종대왕의 한글 비디오": 2,
            "emoji 🎬": 3,
            "<tag> & %41 {json: [1]}": 4,
            "tab\tand\nnewline": 5,
            " blank at both ends ": 6,
        }
        self.add_videos(videos.items())
        self.assert_recorded(self.snapshot(*RETRY), len(videos))
        self.assert_history(videos)
        self.assert_recorded(self.snapshot(*RETRY), len(videos))
        self.assert_history(videos)

    def test_an_empty_table(self):
        self.assert_recorded(self.snapshot(*RETRY), 0)
        self.assertEqual(self.history(), {})


class IsCutShort(ServersTestCase):
    """The first run ends before its work does. The second, with the same arguments, does only what is missing."""

    def assert_second_run_completes(self, videos):
        self.assert_recorded(self.snapshot(*RETRY), len(videos))
        self.assert_history(videos)

    def test_kill_9(self):
        videos = self.add_thousand()
        running = self.start("--strategy", "retry", "--limit", 4)
        self.wait_until_recorded(running, 100)
        running.signal(signal.SIGKILL)
        self.assertEqual(running.wait().status, -signal.SIGKILL)
        recorded = self.recorded()
        self.assertTrue(100 <= recorded < 1000, recorded)
        self.assert_second_run_completes(videos)

    def test_ctrl_c_drains_and_prints_the_same_summary(self):
        videos = self.add_thousand()
        running = self.start("--strategy", "retry", "--limit", 4)
        self.wait_until_recorded(running, 100)
        running.signal(signal.SIGINT)
        run = running.wait()
        self.assertEqual(run.status, 130, run)
        summary = run.summary
        self.assertEqual(summary.fulfilled + summary.rejected + summary.not_started, 1000, run)
        self.assertGreater(summary.not_started, 0, run)
        # It drained: what it counts as recorded is there, and nothing arrived after it ended.
        self.assertEqual(summary.fulfilled, self.recorded(), run)
        self.assertEqual((summary.rejected, summary.doubled), (0, 0), run)
        self.assert_second_run_completes(videos)

    def test_a_deadline(self):
        videos = self.add_thousand()
        run = self.snapshot("--strategy", "retry", "--limit", 4, "--deadline", "300ms")
        self.assertGreater(run.status, 0, run)
        summary = run.summary
        self.assertEqual(summary.fulfilled + summary.rejected + summary.not_started, 1000, run)
        self.assertGreater(summary.not_started, 0, run)
        self.assertLess(summary.seconds, 30, run)
        self.assertEqual(summary.doubled, 0, run)
        # A write that the clock cut off has an unknown effect: it may arrive after the program has looked.
        self.assertGreaterEqual(self.recorded(), summary.fulfilled, run)
        self.assertLessEqual(self.recorded(), summary.fulfilled + summary.rejected, run)
        self.assert_second_run_completes(videos)


if __name__ == "__main__":
    unittest.main(verbosity=2)
