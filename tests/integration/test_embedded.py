# SPDX-License-Identifier: BSL-1.0
"""The snapshot without any server: one SQLite file that answers as slowly as a network does."""

import contextlib
import os
import signal
import sqlite3
import tempfile
import time
import unittest
from pathlib import Path

from video_snapshot import Snapshot


class Embedded(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="fanout-embedded-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.file = self.folder / "snapshot.db"

    def snapshot(self, *arguments):
        return Snapshot("--embedded", self.file, "--date", "2026-11-22", *arguments).wait()

    def assert_recorded(self, run, count):
        self.assertEqual(run.status, 0, run)
        summary = run.summary
        self.assertEqual((summary.fulfilled, summary.rejected, summary.not_started, summary.doubled),
                         (count, 0, 0, 0), run)

    def test_first_run_has_a_thousand_videos_and_fanning_out_pays(self):
        sequential = self.snapshot("--strategy", "sequential", "--latency", "2ms")
        self.assert_recorded(sequential, 1000)
        self.file.unlink()
        fanned_out = self.snapshot("--strategy", "retry", "--limit", 64, "--latency", "2ms")
        self.assert_recorded(fanned_out, 1000)
        self.assertAlmostEqual(sequential.summary.parallelism, 1.0, delta=0.1)
        self.assertGreater(fanned_out.summary.parallelism, 10, fanned_out)

    def test_throttled_replies_are_retried(self):
        run = self.snapshot("--strategy", "retry", "--limit", 64, "--latency", "1ms", "--throttle", "20%",
                            "--max-attempts", 20)
        self.assert_recorded(run, 1000)

    def test_the_limits(self):
        for limit in ("unlimited", "rate:2000/s", "adaptive", "adaptive:16"):
            with self.subTest(limit):
                self.file.unlink(missing_ok=True)
                run = self.snapshot("--strategy", "retry", "--limit", limit, "--latency", "1ms", "--throttle", "5%",
                                    "--max-attempts", 20)
                self.assert_recorded(run, 1000)
                told = r"^[0-9]+ replies were throttled" + (
                    "; the limit ended at [0-9]+$" if limit.startswith("adaptive") else "$")
                self.assertRegex(run.output.splitlines()[-2], told)

    def test_a_rate_is_kept(self):
        run = self.snapshot("--strategy", "settled", "--limit", "rate:500/s:100", "--latency", "0", "--json")
        self.assert_recorded(run, 1000)
        # 100 at once, and the other 900 at 500/s.
        self.assertGreaterEqual(run.summary.seconds, 1.8, run)
        self.assertEqual(run.report["throttled_replies"], 0, run)

    def test_throttled_replies_without_retry_are_told(self):
        run = self.snapshot("--strategy", "settled", "--limit", 64, "--latency", "1ms", "--throttle", "20%")
        self.assertGreater(run.status, 0, run)
        self.assertGreater(run.summary.rejected, 50, run)
        self.assertEqual(run.summary.fulfilled + run.summary.rejected, 1000, run)
        again = self.snapshot("--strategy", "retry", "--limit", 64, "--latency", "1ms")
        self.assert_recorded(again, 1000)

    def test_kill_9_and_a_second_run(self):
        running = Snapshot("--embedded", self.file, "--date", "2026-11-22", "--strategy", "sequential")
        time.sleep(1.5)
        running.signal(signal.SIGKILL)
        self.assertEqual(running.wait().status, -signal.SIGKILL)
        self.assert_recorded(self.snapshot("--strategy", "retry", "--limit", 64), 1000)

    def test_ctrl_c(self):
        for limit in ("2", "rate:200/s", "adaptive:2"):
            with self.subTest(limit):
                self.file.unlink(missing_ok=True)
                self.check_ctrl_c(limit)

    def check_ctrl_c(self, limit):
        running = Snapshot("--embedded", self.file, "--date", "2026-11-22", "--strategy", "retry", "--limit", limit)
        time.sleep(1)
        running.signal(signal.SIGINT)
        run = running.wait()
        self.assertEqual(run.status, 130, run)
        summary = run.summary
        self.assertEqual((summary.fulfilled + summary.not_started, summary.rejected), (1000, 0), run)
        self.assertGreater(summary.fulfilled, 0, run)
        self.assertGreater(summary.not_started, 0, run)
        self.assert_recorded(self.snapshot("--strategy", "retry", "--limit", 64), 1000)

    def test_a_deadline_under_a_rate(self):
        run = self.snapshot("--strategy", "retry", "--limit", "rate:200/s", "--deadline", "1s")
        self.assertEqual(run.status, 1, run)
        summary = run.summary
        self.assertEqual(summary.fulfilled + summary.rejected + summary.not_started, 1000, run)
        self.assertGreater(summary.fulfilled, 0, run)
        self.assertGreater(summary.not_started, 500, run)
        self.assertLess(summary.seconds, 5, run)
        self.assert_recorded(self.snapshot("--strategy", "retry", "--limit", 64), 1000)

    def test_bad_arguments_touch_nothing(self):
        for arguments in (
            ["--limit", "0"], ["--limit", "-1"], ["--limit", "many"], ["--limit", "64x"], ["--limit", ""],
            ["--limit", "99999999999999999999"],
            ["--limit", "rate:"], ["--limit", "rate:0/s"], ["--limit", "rate:500"], ["--limit", "rate:500/s:0"],
            ["--limit", "adaptive:0"], ["--limit", "adaptive:many"],
            ["--strategy", "fast"], ["--strategy", ""],
            ["--max-attempts", "0"], ["--max-attempts", "-3"], ["--max-attempts", "1.5"],
            ["--attempt-timeout", "-1s"], ["--attempt-timeout", "soon"],
            ["--deadline", "-1s"], ["--deadline", "tomorrow"],
            ["--latency", "-5ms"], ["--latency", "slow"],
            ["--throttle", "120%"], ["--throttle", "-1%"], ["--throttle", "nan"], ["--throttle", "some"],
            ["--date", "2026-02-30"], ["--date", "22.11.2026"], ["--date", ""],
            ["--unknown"], ["surplus"], ["--videos", "-1"], ["--seed", "x"], ["--table", "VideoTable"],
            ["--mysql", "mysql://u:p@127.0.0.1/db"], ["--dynamodb", "http://127.0.0.1:8000"],
            ["--mysql", "http://example.com/db"], ["--mysql", "mysql://"], ["--mysql", "mysql://u:p@h:99999/db"],
            ["--mysql", "mysql://u:p@127.0.0.1/db", "--dynamodb", "ftp://127.0.0.1"],
            ["--mysql", "mysql://u:p@127.0.0.1/db", "--dynamodb", "http://127.0.0.1:port"],
        ):
            with self.subTest(arguments):
                # The date comes first, so that the one under test is not the second of its kind.
                date = [] if "--date" in arguments else ["--date", "2026-11-22"]
                servers = "--mysql" in arguments or "--dynamodb" in arguments
                embedded = [] if servers else ["--embedded", self.file]
                run = Snapshot(*embedded, *date, *arguments, secrets=("u:p",)).wait()
                self.assertEqual(run.status, 2, run)
                self.assertEqual(len([line for line in run.errors.splitlines() if line.strip()]), 1, run)
                self.assertEqual(run.output, "", run)
                self.assertEqual(os.listdir(self.folder), [], run)

    def test_a_file_that_is_no_database(self):
        self.file.write_text("dear diary " * 1000)
        run = self.snapshot()
        self.assertGreater(run.status, 0, run)
        self.assertEqual(len(run.errors.splitlines()), 1, run)
        self.assertTrue(self.file.read_text().startswith("dear diary"))

    def test_a_folder_that_is_not_there(self):
        run = Snapshot("--embedded", self.folder / "nowhere" / "x.db").wait()
        self.assertGreater(run.status, 0, run)
        self.assertEqual(len(run.errors.splitlines()), 1, run)

    def test_help(self):
        run = Snapshot("--help").wait()
        self.assertEqual(run.status, 0, run)
        for option in ("--strategy", "--limit", "--max-attempts", "--attempt-timeout", "--deadline", "--mysql",
                       "--dynamodb", "--table", "--json", "--embedded", "--latency", "--throttle", "--date"):
            self.assertIn(option, run.output)

    def test_the_file_is_an_ordinary_database(self):
        self.assert_recorded(self.snapshot("--strategy", "retry", "--limit", 64, "--latency", "0ms"), 1000)
        with contextlib.closing(sqlite3.connect(self.file)) as db:
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            self.assertEqual(db.execute("SELECT count(*) FROM VIDEO").fetchone(), (1000,))


if __name__ == "__main__":
    unittest.main(verbosity=2)
