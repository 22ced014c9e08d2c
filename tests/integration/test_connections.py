# SPDX-License-Identifier: BSL-1.0
"""The same queries over pools of 1 to 32 connections: wall time is the work divided by the connections, and some more."""

import re
import shutil
import tempfile
import unittest
from pathlib import Path

from experiments import PROGRAM, ExperimentTest, Pictures, finish, run, run_undisturbed, start
from servers import MariaDB, free_port

QUERIES, QUERY_TIME = 200, 10  # ms; as the program has them by itself
SIZES = (1, 2, 4, 8, 16, 32)
OURS = re.compile(r"([\d.]+) ms, effective parallelism ([\d.]+)")


class Connections(ExperimentTest):
    @classmethod
    def setUpClass(cls):
        cls.server = MariaDB().start()
        cls.addClassCleanup(cls.server.stop)
        cls.folder = Path(tempfile.mkdtemp(prefix="fanout-connections-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def run_program(self, *more, queries=64, query_time=5, env=None):
        return run(PROGRAM, "--queries", queries, "--query-time", query_time, *more,
                   env=self.server.environment() if env is None else env, record=False)

    def connections(self):
        with self.server.connect() as mysql, mysql.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Max_used_connections'")
            return int(cursor.fetchone()[1])

    def test_wall_time_follows_the_number_of_connections(self):
        pictures = Pictures(self)
        result = run_undisturbed(PROGRAM, "--json", "--quiet", *pictures.options, env=self.server.environment())
        self.assert_right(result)
        parts = [f"pool of {n}" for n in SIZES]
        told = self.assert_report(result, "connections", *parts)
        self.assert_pictures(pictures, *parts, attempts=dict.fromkeys(parts, QUERIES))
        self.assertEqual([name for name, _, _ in result.rows], [f"connections: pool of {n}" for n in SIZES], result)
        for size, (name, ideal, ours) in zip(SIZES, result.rows):
            with self.subTest(name):
                by_hand = QUERIES * QUERY_TIME / size
                self.assertEqual(ideal, f"ideal {by_hand:.1f} ms")
                wall, parallelism = map(float, OURS.fullmatch(ours).groups())
                self.assertGreaterEqual(wall, by_hand, result)
                # Each connection runs one query at a time, and no connection idles for long.
                self.assertLessEqual(parallelism, size + 0.05, result)
                self.assertGreater(parallelism, size * 0.6, result)
                self.assertLess(wall, by_hand * 2 + 200, result)
                part = told[f"pool of {size}"]
                self.assertEqual((part["fulfilled"], part["peak_in_flight"]), (QUERIES, size), part)
                self.assertAlmostEqual(part["seconds"] * 1000, wall, delta=0.1, msg=part)
                self.assertGreaterEqual(part["latency"]["p50"], QUERY_TIME / 1000, part)
        self.assertGreaterEqual(self.connections(), max(SIZES))

    def test_the_plot_shows_the_numbers_of_the_table(self):
        plot = self.folder / "it's a plot.svg"
        result = self.run_program("--plot", plot)
        self.assert_right(result)
        drawn = plot.read_text()
        self.assertIn("<svg", drawn)
        self.assertTrue(drawn.rstrip().endswith("</svg>"), drawn[-200:])
        for label in ("ideal", "measured", "connections", "64 queries of 5 ms"):
            self.assertIn(label, drawn)
        head, *lines = (self.folder / "it's a plot.tsv").read_text().splitlines()
        self.assertEqual(head, "connections\twall_ms\tideal_ms\tratio\tparallelism")
        self.assertEqual([int(line.split("\t")[0]) for line in lines], list(SIZES))
        for line, (_, _, ours) in zip(lines, result.rows):
            self.assertEqual(f"{float(line.split()[1]):.1f}", OURS.fullmatch(ours)[1])

    def test_the_name_of_a_plot_is_never_a_command(self):
        result = finish(start(PROGRAM, "--queries", "64", "--query-time", "5", "--plot", "| touch made; cat.svg",
                              env=self.server.environment(), cwd=self.folder), record=False)
        self.assert_right(result)
        self.assertFalse((self.folder / "made").exists())
        self.assertIn("<svg", (self.folder / "| touch made; cat.svg").read_text())
        for name in ("a\n!touch made\n.svg", "a\x7f.svg"):
            self.assert_one_line(self.run_program("--plot", self.folder / name), 2, "--plot: .*control character")
        self.assertFalse((self.folder / "made").exists())

    def test_without_gnuplot_nothing_is_measured(self):
        result = self.run_program("--plot", self.folder / "none.svg",
                                  env={**self.server.environment(), "PATH": str(self.folder)})
        self.assert_one_line(result, 1, "gnuplot, which is not installed")
        self.assertEqual(result.rows, [])
        self.assertFalse((self.folder / "none.svg").exists())

    def test_a_file_that_cannot_be_written(self):
        result = self.run_program("--plot", self.folder / "nowhere" / "x.svg")
        self.assert_one_line(result, 1, "cannot write to .*/nowhere/x.tsv")

    def test_a_server_with_too_few_connections_says_so(self):
        with self.server.connect() as mysql, mysql.cursor() as cursor:
            cursor.execute("SELECT @@max_connections")
            self.assertGreaterEqual(cursor.fetchone()[0], max(SIZES) + 1)
        limited = Few().start()
        self.addCleanup(limited.stop)
        self.assert_one_line(self.run_program(env=limited.environment()), 1, "Too many connections")

    def test_what_is_refused(self):
        self.assert_one_line(self.run_program("--mysql", self.server.url.replace("@", "x@")), 1, "Access denied")
        port = free_port()
        dead = self.server.url.replace(f":{self.server.port}/", f":{port}/")
        self.assert_one_line(self.run_program("--mysql", dead), 1, f":{port}: Connection refused$")
        self.assert_one_line(self.run_program("--mysql", "http://u:p%40ss@h/d"), 2, "--mysql: not a usable URL")
        self.assert_one_line(self.run_program(env={}), 2, "FANOUT_MYSQL_URL")
        self.assert_one_line(run(PROGRAM, "--queries", "31"), 2, "--queries")
        self.assert_one_line(run(PROGRAM, "--query-time", "0"), 2, "--query-time")

    def test_help(self):
        told = run(PROGRAM, "--help")
        self.assertEqual((told.status, told.errors), (0, ""), told)
        self.assertIn("--plot FILE.svg", told.output)


class Few(MariaDB):
    def command(self):
        return [*super().command(), "--max-connections=20"]


if __name__ == "__main__":
    unittest.main(verbosity=2)
