# SPDX-License-Identifier: BSL-1.0
"""The frame of the benchmarks, on the program of known.cpp (FANOUT_BENCH_KNOWN)."""

import json
import os
import subprocess
import unittest

PROGRAM = os.environ["FANOUT_BENCH_KNOWN"]


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120, check=False)


class Frame(unittest.TestCase):
    def test_it_lists_names_floors_and_sizes(self):
        lines = run("--list").stdout.splitlines()
        self.assertEqual(len(lines), 5)
        self.assertIn("known/posts@threads\tknown/posts\tchild\t100,200", lines)

    def test_it_counts_every_way_to_allocate(self):
        told = json.loads(run("--count", "known/allocates", "1000").stdout)
        self.assertEqual(told["children"], [1000, 2000])
        # malloc, operator new, aligned_alloc, realloc
        self.assertEqual(told["allocations"], [4001, 8001])
        self.assertEqual(told["allocations_per_child"], 4)
        self.assertEqual(told["bytes_per_child"], 100 + 30 + 64 + 128 + 8)
        self.assertEqual(told["result_bytes"], 40)

    def test_the_peak_is_of_what_lives(self):
        told = json.loads(run("--count", "known/allocates", "1000").stdout)
        # 100 bytes of each and its pointer; glibc's block for 100 has room for 104.
        self.assertGreaterEqual(told["peak_live_bytes_per_child"], 108)
        self.assertLess(told["peak_live_bytes_per_child"], 116)
        self.assertGreater(told["max_rss_bytes"], told["peak_live_bytes"][1])

    def test_a_loop_of_posts_allocates_nothing_per_child(self):
        for name in ("known/posts", "known/posts@threads"):
            self.assertEqual(json.loads(run("--count", name, "1000").stdout)["allocations_per_child"], 0)

    def test_a_run_says_nothing_and_ends_well(self):
        done = run("--run", "known/posts", "1000")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_a_run_that_fails_is_seen(self):
        done = run("--run", "known/throws", "10")
        self.assertEqual(done.returncode, 1)
        self.assertIn("a run that fails", done.stderr)
        done = run("--run", "known/breaks", "10")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not so: all children ended", done.stderr)

    def test_google_benchmark_times_each_size(self):
        options = ("--benchmark_filter=known/posts/", "--benchmark_min_time=0.001", "--benchmark_format=json")
        told = json.loads(run(*options).stdout)
        self.assertEqual([each["name"] for each in told["benchmarks"]], ["known/posts/100", "known/posts/200"])

    def test_wrong_arguments_are_refused(self):
        for wrong in (
            ["--runs"],
            ["--run"],
            ["--run", "known/posts"],
            ["--run", "known/post", "10"],
            ["--run", "known/posts", "0"],
            ["--run", "known/posts", "-1"],
            ["--run", "known/posts", "1x"],
            ["--count", "nothing", "10"],
            ["--list", "all"],
            ["--benchmark_nothing"],
        ):
            with self.subTest(wrong):
                done = run(*wrong)
                self.assertEqual(done.returncode, 2)
                self.assertIn("benchmark: ", done.stderr)
                self.assertIn("usage: ", done.stderr)

    def test_help_is_no_error(self):
        done = run("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--count NAME N", done.stdout)


if __name__ == "__main__":
    unittest.main()
