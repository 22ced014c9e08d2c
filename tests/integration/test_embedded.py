# SPDX-License-Identifier: BSL-1.0
"""The snapshot without any server: one SQLite file that answers as slowly as a network does."""

import contextlib
import json
import os
import signal
import sqlite3
import tempfile
import time
import unittest
import xml.etree.ElementTree as xml
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

    def start_with_pictures(self, *arguments):
        self.trace, self.waterfall = self.folder / "t.json", self.folder / "w.svg"
        for file in (self.trace, self.waterfall):
            file.unlink(missing_ok=True)
        return Snapshot("--embedded", self.file, "--date", "2026-11-22", "--json", "--trace", self.trace,
                        "--waterfall", self.waterfall, *arguments)

    def look_at_pictures(self, run):
        """What the run drew: each video's slices in the trace, in the order of time, and the number of lanes."""
        picture = xml.parse(self.waterfall).getroot()
        self.assertEqual(picture.tag, "{http://www.w3.org/2000/svg}svg")
        self.assertTrue(any("video_snapshot" in text for text in picture.itertext()), run)
        events = json.loads(self.trace.read_text())["traceEvents"]
        slices = sorted((event for event in events if event["ph"] == "X"), key=lambda event: event["ts"])
        self.assertEqual(len(slices), run.report["attempts"], run)
        videos, ends = {}, {}
        for one in slices:
            self.assertLessEqual(ends.get(one["tid"], 0), one["ts"] + 0.001, run)  # of one lane none overlap
            ends[one["tid"]] = one["ts"] + one["dur"]
            videos.setdefault(one["args"]["index"], []).append(one)
        return list(videos.values()), len(ends)

    def run_with_pictures(self, *arguments):
        run = self.start_with_pictures(*arguments).wait()
        return run, *self.look_at_pictures(run)

    def test_a_trace_and_a_waterfall_of_every_strategy(self):
        for strategy, most in (("sequential", 1), ("when_all", 16), ("settled", 16), ("retry", 16)):
            with self.subTest(strategy):
                self.file.unlink(missing_ok=True)
                run, videos, lanes = self.run_with_pictures("--strategy", strategy, "--limit", 16, "--latency", "1ms")
                self.assert_recorded(run, 1000)
                self.assertEqual(len(videos), 1000, run)
                self.assertIn("고양이 영상", [one["name"] for one, in videos])
                self.assertTrue(run.report["peak_in_flight"] <= lanes <= most, (lanes, run))

    def test_the_trace_shows_what_went_wrong(self):
        for strategy in ("sequential", "when_all"):
            with self.subTest(strategy):
                self.file.unlink(missing_ok=True)
                run, videos, _ = self.run_with_pictures("--strategy", strategy, "--throttle", "5%", "--latency", "1ms")
                self.assertEqual(run.status, 1, run)
                states = [one["args"]["state"] for one, in videos]
                self.assertEqual(states.count("rejected"), run.report["throttled_replies"], run)
                self.assertEqual(states.count("fulfilled"), run.report["fulfilled"], run)
        self.file.unlink()
        run, videos, _ = self.run_with_pictures("--strategy", "retry", "--throttle", "0.05", "--latency", "1ms",
                                                "--max-attempts", 20)
        self.assert_recorded(run, 1000)
        self.assertGreater(run.report["retries"], 10, run)
        for *before, last in videos:
            self.assertEqual(last["args"]["state"], "fulfilled", run)
            self.assertEqual({one["args"]["state"] for one in before} - {"rejected"}, set(), run)

    def test_a_trace_of_an_interrupted_run(self):
        for strategy in ("sequential", "retry"):
            with self.subTest(strategy):
                self.file.unlink(missing_ok=True)
                running = self.start_with_pictures("--strategy", strategy, "--limit", 2, "--latency", "10ms")
                time.sleep(1)
                running.signal(signal.SIGINT)
                run = running.wait()
                self.assertEqual(run.status, 130, run)
                videos, _ = self.look_at_pictures(run)
                self.assertEqual(len(videos), run.summary.fulfilled, run)
                self.assertGreater(run.summary.not_started, 0, run)

    def test_a_trace_of_a_run_that_has_nothing_to_do_is_empty(self):
        self.assert_recorded(self.snapshot("--videos", 3), 3)
        run, videos, lanes = self.run_with_pictures()
        self.assert_recorded(run, 3)
        self.assertEqual((videos, lanes), ([], 0), run)

    def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_touched(self):
        nowhere, folder = self.folder / "nowhere" / "x", self.folder / "folder"
        folder.mkdir()
        readable = self.folder / "readable"
        for arguments in (
            ["--trace", nowhere], ["--waterfall", nowhere], ["--trace", folder], ["--waterfall", folder],
            ["--trace", ""], ["--trace", "/dev/stdout"], ["--waterfall", "/dev/stdout"],
            ["--trace", self.folder / "a", "--waterfall", self.folder / "a"],
            ["--trace", self.file], ["--waterfall", self.folder / "folder" / ".." / self.file.name],
        ):
            with self.subTest(arguments):
                run = self.snapshot(*arguments)
                self.assertEqual(run.status, 2, run)
                self.assertEqual(len(run.errors.splitlines()), 1, run)
                self.assertRegex(run.errors, "^video_snapshot: --(trace|waterfall): ")
                self.assertEqual(run.output, "", run)
                self.assertEqual(os.listdir(self.folder), ["folder"], run)
                self.assertEqual(os.listdir(folder), [], run)
        if os.geteuid() != 0:  # whom nothing is forbidden
            readable.touch(0o400)
            self.assertEqual(self.snapshot("--trace", readable).status, 2)

    def test_a_full_disk_loses_the_picture_and_no_result(self):
        waterfall = self.folder / "w.svg"
        run = self.snapshot("--quiet", "--json", "--latency", "1ms", "--trace", "/dev/full", "--waterfall", waterfall)
        self.assertEqual(run.status, 1, run)
        self.assertEqual((run.summary.fulfilled, run.report["fulfilled"]), (1000, 1000), run)
        self.assertEqual(run.errors, "video_snapshot: --trace: cannot write '/dev/full': No space left on device\n")
        xml.parse(waterfall)
        self.assert_recorded(self.snapshot(), 1000)

    def test_progress_is_a_line_at_the_end_where_there_is_no_terminal(self):
        run = self.snapshot("--limit", 64, "--latency", "1ms")
        self.assert_recorded(run, 1000)
        self.assertRegex(run.errors, r"^1000 of 1000 videos \(100 %\), \d+/s, took .+\n$")
        self.assertEqual(self.snapshot().errors, "")  # there was nothing to do
        self.file.unlink()
        self.assertEqual(self.snapshot("--quiet", "--latency", "1ms").errors, "")

    def test_the_writes_go_on_where_nobody_reads_of_their_progress(self):
        running = Snapshot("--embedded", self.file, "--date", "2026-11-22", "--limit", 64, "--latency", "1ms")
        running.process.stderr.close()
        self.assert_recorded(running.wait(), 1000)

    def test_what_the_writes_did_in_words_and_in_json(self):
        text = self.snapshot("--strategy", "sequential", "--latency", "1ms").output
        self.assertRegex(text, r"\n1,000 children: .* one after another.*\npeak memory: .*\nsnapshot: ")
        self.file.unlink()
        run = self.snapshot("--limit", 8, "--latency", "4ms", "--json")
        latency = run.report["latency"]
        # The network takes from 2 ms to 6 ms; above that the machine does.
        self.assertTrue(0.002 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"], run)
        self.assertGreater(run.report["waited"], 100 * run.report["seconds"], run)

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
                       "--dynamodb", "--table", "--json", "--trace", "--waterfall", "--embedded", "--latency", "--throttle", "--date"):
            self.assertIn(option, run.output)

    def test_the_file_is_an_ordinary_database(self):
        self.assert_recorded(self.snapshot("--strategy", "retry", "--limit", 64, "--latency", "0ms"), 1000)
        with contextlib.closing(sqlite3.connect(self.file)) as db:
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
            self.assertEqual(db.execute("SELECT count(*) FROM VIDEO").fetchone(), (1000,))


if __name__ == "__main__":
    unittest.main(verbosity=2)
