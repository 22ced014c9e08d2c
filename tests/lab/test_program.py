# SPDX-License-Identifier: BSL-1.0
"""The strategy lab on its simulated backend: the article's figures, the same seed the same bytes, and what it refuses."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

LAB = os.environ["FANOUT_LAB"]
# No run of these tests comes near this; one that reaches it hangs.
HANG = 120
LOST = ("unlimited", "unlimited exponential:4", "window:128 exponential:4", "window:256 exponential:4")
LATE = ("sequential exponential:4", "window:16 exponential:4")
DONE = ("window:64 exponential:4", "window:100 exponential:4", "rate:180 exponential:4", "adaptive:aimd exponential:4",
        "adaptive:gradient2 exponential:4")


def lab(*arguments, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": HANG} | options
    return subprocess.run([LAB, *arguments], **options)


def results(chapter):
    return {r["strategy"]: r for r in chapter["results"]}


class Article(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.json = lab("--preset", "article", "--json")
        cls.small, cls.large = json.loads(cls.json.stdout)["chapters"]

    def test_sequential_takes_9_minutes_and_unlimited_1_second(self):
        self.assertEqual((self.json.returncode, self.json.stderr), (0, ""))
        took = {name: r["wall_seconds"] for name, r in results(self.small).items()}
        self.assertAlmostEqual(took["sequential"], 540, delta=54)
        self.assertAlmostEqual(took["unlimited"], 1, delta=0.1)
        self.assertEqual(self.small["recommendation"]["strategies"], ["unlimited"])

    def test_at_100_times_the_size_what_was_fast_loses_nearly_all(self):
        self.assertEqual((self.large["inputs"], self.large["deadline_seconds"]), (100_000, 900))
        ran = results(self.large)
        for name in LOST:
            self.assertLess(ran[name]["fulfilled"], 10_000, name)
            self.assertGreater(ran[name]["rejected"], 90_000, name)
        for name in LATE:
            self.assertEqual(ran[name]["wall_seconds"], 900, name)
            self.assertGreater(ran[name]["not_started"], 50_000, name)

    def test_some_strategies_still_finish_within_15_minutes_and_one_of_them_is_recommended(self):
        ran = results(self.large)
        for name in DONE:
            self.assertEqual(ran[name]["fulfilled"], 100_000, name)
            self.assertLess(ran[name]["wall_seconds"], 900, name)
        advice = self.large["recommendation"]
        self.assertTrue(advice["strategies"])
        fastest = min(r["wall_seconds"] for r in ran.values() if r["fulfilled"] == 100_000)
        for name in advice["strategies"]:
            self.assertEqual(ran[name]["fulfilled"], 100_000, name)
            self.assertLessEqual(ran[name]["wall_seconds"], 1.05 * fastest, name)
            self.assertIn(name, advice["text"])

    def test_every_input_is_accounted_for(self):
        for chapter in (self.small, self.large):
            for r in chapter["results"]:
                self.assertEqual(r["fulfilled"] + r["rejected"] + r["not_started"], chapter["inputs"], r)

    def test_the_same_seed_gives_the_same_bytes(self):
        self.assertEqual(lab("--preset", "article", "--json").stdout, self.json.stdout)
        text = lab("--preset", "article").stdout
        self.assertEqual(lab("--preset", "article").stdout, text)
        self.assertIn("sequential: 9 min in the article, ", text)
        self.assertIn(self.large["recommendation"]["text"], text)

    def test_another_seed_gives_other_bytes(self):
        other = lab("--preset", "article", "--json", "--seed", "2").stdout
        self.assertNotEqual(results(json.loads(other)["chapters"][0])["unlimited"]["wall_seconds"],
                            results(self.small)["unlimited"]["wall_seconds"])


@unittest.skipUnless(shutil.which("gnuplot"), "no gnuplot")
class Picture(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def draw(self, name, *arguments):
        path = self.folder / name
        ran = lab("--preset", "database-pool", "--scale", "2000", "--svg", str(path), *arguments)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return path.read_bytes()

    def test_the_same_seed_gives_the_same_picture(self):
        first = self.draw("a.svg")
        self.assertEqual(first, self.draw("b.svg"))
        self.assertNotEqual(first, self.draw("c.svg", "--seed", "2"))
        for name in (b"window exponential:4", b"adaptive:vegas exponential:4"):
            self.assertIn(name, first)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["a.svg", "b.svg", "c.svg"])

    def test_a_picture_that_cannot_be_written_is_refused_before_anything_runs(self):
        ran = lab("--svg", str(self.folder / "there" / "is" / "none.svg"))
        self.assertEqual((ran.returncode, ran.stdout), (2, ""))
        self.assertIn("No such file or directory", ran.stderr)

    def test_a_full_disk_is_reported(self):
        ran = lab("--scale", "100", "--svg", "/dev/full")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("lab: cannot write /dev/full: No space left on device", ran.stderr)


class Program(unittest.TestCase):
    def test_wrong_arguments_are_refused_and_named(self):
        for arguments, named in (
                (["--strategy", "windw:3"], "--strategy: 'windw:3'"), (["--strategy", "window:0"], "window:N (1 to"),
                (["--retry", "often"], "--retry: 'often'"), (["--budget", "ratio:x"], "--budget: 'ratio:x'"),
                (["--scale", "0"], "--scale: '0'"), (["--scale", "20000000"], "1 to 10,000,000"),
                (["--scale", "1.5"], "whole number"), (["--service", "gauss:1ms"], "--service: 'gauss:1ms'"),
                (["--service", "measured:/there/is/none"], "cannot read /there/is/none"),
                (["--preset", "none"], "--preset: 'none'"), (["--deadline", "3"], "--deadline: '3'"),
                (["--throttle", "-1"], "--throttle: '-1'"), (["--errors", "1.1"], "--errors: '1.1'"),
                (["--seed", "-1"], "--seed"), (["--nothing"], "not known"), (["nothing"], "not known"),
                (["--strategy"], "--strategy"), (["--most-in-flight", "0"], "--most-in-flight")):
            with self.subTest(arguments):
                ran = lab(*arguments)
                self.assertEqual((ran.returncode, ran.stdout), (2, ""))
                self.assertIn(named, ran.stderr)
                self.assertEqual(ran.stderr.count("\n"), 1)

    def test_strategies_retries_and_budgets_are_combined(self):
        ran = lab("--scale", "100", "--json", "--strategy", "window:4", "--strategy", "sequential", "--retry", "none",
                  "--retry", "polly:2", "--budget", "none", "--budget", "token")
        chapter, = json.loads(ran.stdout)["chapters"]
        self.assertEqual(list(results(chapter)), [
            "window:4", "sequential", "window:4 polly:2", "sequential polly:2", "window:4 polly:2 token",
            "sequential polly:2 token"])

    def test_each_preset_runs_and_recommends(self):
        told = lab("--list-presets").stdout.splitlines()
        self.assertGreaterEqual(len(told), 4)
        for line in told:
            with self.subTest(line):
                ran = lab("--preset", line.split()[0], "--scale", "500", "--json")
                self.assertEqual((ran.returncode, ran.stderr), (0, ""))
                for chapter in json.loads(ran.stdout)["chapters"]:
                    self.assertTrue(chapter["recommendation"]["strategies"])

    def test_unlimited_is_left_out_where_it_would_take_the_machines_memory(self):
        ran = lab("--scale", "1000001", "--json", "--strategy", "unlimited", "--strategy", "window:64",
                  "--strategy", "window:32", "--deadline", "1s")
        chapter, = json.loads(ran.stdout)["chapters"]
        self.assertEqual(chapter["left_out"], ["unlimited exponential:4"])
        self.assertEqual(list(results(chapter)), ["window:64 exponential:4", "window:32 exponential:4"])

    def test_memory_grows_by_the_results_and_by_nothing_else(self):
        def peak(scale):
            with subprocess.Popen([LAB, "--scale", str(scale), "--strategy", "window:64", "--json"],
                                  stdout=subprocess.PIPE) as ran:
                told, = json.load(ran.stdout)["chapters"]
                _, status, usage = os.wait4(ran.pid, 0)
                ran.returncode = os.waitstatus_to_exitcode(status)
            self.assertEqual(ran.returncode, 0)
            return 1024 * usage.ru_maxrss, told["results"][0]["result_bytes"]
        (small, kept_of_small), (large, kept_of_large) = peak(100_000), peak(1_000_000)
        self.assertLess((large - small) / (kept_of_large - kept_of_small), 1.1)

    def test_standard_output_that_is_full_is_reported(self):
        for arguments in ((), ("--json",)):
            with open("/dev/full", "w", encoding="utf-8") as full:
                ran = lab("--scale", "100", *arguments, stdout=full)
            self.assertEqual(ran.returncode, 1)
            self.assertIn("cannot write to standard output", ran.stderr)

    def wait_until_it_minds(self, ran):
        """The program catches SIGINT, and then has some time to do something."""
        def catches():
            status = pathlib.Path(f"/proc/{ran.pid}/status").read_text(encoding="ascii")
            caught, = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
            return int(caught, 16) >> (signal.SIGINT - 1) & 1
        end = time.monotonic() + HANG
        while not catches():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)
        time.sleep(0.3)

    def interrupted(self, *arguments):
        """What is printed by a run that is interrupted while its first strategy runs."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
            command = [LAB, "--scale", "1e7", "--strategy", "window:7000", "--strategy", "sequential", *arguments]
            with subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True) as ran:
                self.wait_until_it_minds(ran)
                ran.send_signal(signal.SIGINT)
                _, errors = ran.communicate(timeout=HANG)
            out.seek(0)
            self.assertEqual((ran.returncode, errors), (130, ""))
            return out.read()

    def test_ctrl_c_ends_with_what_there_is(self):
        text = self.interrupted()
        row, = (line for line in text.splitlines() if line.startswith("window:7000"))
        self.assertTrue(row.endswith("(interrupted)"), text)
        self.assertNotIn("\nsequential", text)
        told = json.loads(self.interrupted("--json"))
        self.assertTrue(told["interrupted"])
        r, = told["chapters"][0]["results"]
        self.assertTrue(r["interrupted"])
        self.assertGreater(r["fulfilled"], 0)
        self.assertEqual(r["fulfilled"] + r["rejected"] + r["not_started"], 10_000_000)


if __name__ == "__main__":
    unittest.main()
