# SPDX-License-Identifier: BSL-1.0
"""The strategy lab on real servers: what it runs, measures and compares, and what it leaves behind."""

import os
import re
import signal
import shutil
import tempfile
import time
import unittest
from pathlib import Path

from experiments import finish, run, start
from servers import DynamoDB, MariaDB, ThrottledTable, free_port

LAB = os.environ["FANOUT_LAB"]
# The machine may be busy with something else, of which the simulation knows nothing: a comparison that must agree is
# made again, so often at most.
TIMES = 4
# As few as tell the least disturbed run of a strategy from the others.
ROUNDS = 3


def strategies(*names):
    return [argument for name in names for argument in ("--strategy", name)]


class LabTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="fanout-lab-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def lab(self, *arguments, env=None, status=0):
        result = run(LAB, *arguments, env=env, record=False)
        self.assertEqual(result.status, status, result)
        return result

    def assert_error(self, result, *patterns):
        """One line on standard error, and nothing on standard output but what was said before."""
        self.assertEqual(len(result.errors.splitlines()), 1, result)
        self.assertTrue(result.errors.startswith("lab: "), result)
        for pattern in patterns:
            self.assertRegex(result.errors, pattern)


class ServerTest(LabTest):
    """A subclass has a `server`, an `option`, and `tables()`."""

    def run_on(self, *arguments, status=0, env=None):
        return self.lab(self.option, *arguments, env=env or self.server.environment(), status=status)

    def results(self, *arguments):
        """{strategy: result} of a run with --json that ends well."""
        report = self.run_on("--json", *arguments).report
        return {result["strategy"]: result for result in report["chapters"][0]["results"]}

    def assert_clean(self):
        self.assertEqual(self.tables(), [])

    def check_all_strategies(self):
        names = ("sequential", "unlimited", "window:8", "rate:2000", "adaptive:aimd", "adaptive:vegas", "adaptive:gradient2")
        results = self.results(*strategies(*names), "--retry", "none", "--scale", 150)
        self.assertEqual(tuple(results), names)
        for name, result in results.items():
            with self.subTest(name):
                self.assertEqual((result["fulfilled"], result["attempts"]), (150, 150), result)
                self.assertGreater(result["p99_seconds"], 0)
        self.assertEqual(results["sequential"]["peak_in_flight"], 1)
        self.assertEqual(results["window:8"]["peak_in_flight"], 8)
        self.assertEqual(results["unlimited"]["peak_in_flight"], 150)
        self.assertGreaterEqual(results["rate:2000"]["wall_seconds"], 0.05)
        self.assert_clean()

    def check_interrupted(self, number):
        running = start(LAB, self.option, "--scale", 1_000_000, *strategies("window:4"), "--json",
                        env=self.server.environment())
        deadline = time.monotonic() + 60
        while not self.tables() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)  # it has begun, or is about to
        self.assertEqual(len(self.tables()), 1)
        running.send_signal(number)
        result = finish(running, record=False)
        self.assertEqual((result.status, result.errors), (128 + number, ""), result)
        self.assertTrue(result.report["interrupted"], result)
        self.assertLess(result.seconds, 30)
        self.assert_clean()

    def check_dies(self, kill):
        """The server is gone in the middle: the run ends by itself, and says which table it leaves."""
        running = start(LAB, self.option, "--scale", 20_000, *strategies("window:4"), "--retry", "none",
                        env=self.server.environment())
        deadline = time.monotonic() + 60
        while not self.tables() and time.monotonic() < deadline:
            time.sleep(0.05)
        table, = self.tables()
        kill()
        result = finish(running, record=False)
        self.assertEqual(result.status, 1, result)
        self.assert_error(result, rf"the table {table} may be left over, .*Connection (refused|reset by peer)")

    def check_measured(self, connections):
        """--measure writes what --service reads; the simulation with it gives the same bytes each time."""
        file = self.folder / f"{type(self).__name__}.measured"
        told = self.run_on("--measure", file, "--connections", connections)
        self.assertRegex(told.output, r"measured: \d+ calls, one at a time, took [\d.]+ \w+ on average")
        self.assertNotIn("sequential", told.output, "strategies were run")
        text = file.read_text()
        self.assertRegex(text, rf"(?m)^connections {connections}$")
        self.assertRegex(text, rf"(?m)^source {self.option[2:]}$")
        capacity = float(re.search(r"(?m)^capacity ([\d.]+)$", text)[1])
        self.assertGreaterEqual(capacity, 1)
        buckets = [line.split() for line in text.splitlines() if re.fullmatch(r"[\d.]+ [\d.]+ \d+", line)]
        self.assertGreaterEqual(sum(int(calls) for _, _, calls in buckets), 20)
        once, again = (self.lab("--service", f"measured:{file}", "--scale", 1000, *strategies("sequential", "window:8"),
                                "--json").output for _ in range(2))
        self.assertEqual(once, again)
        self.assert_clean()
        return buckets, capacity

    def assert_rankings_agree(self, *arguments):
        for left in reversed(range(TIMES)):
            result = run(LAB, self.option, "--compare", *arguments, env=self.server.environment(), record=False)
            if result.status == 0 or left == 0:
                break
            print(f"once more, for they disagree:\n{result.output}", flush=True)
        self.assertEqual((result.status, result.errors), (0, ""), result.output)
        self.assertIn("The simulation ranks the strategies as the server does.", result.output)
        print(result.output, flush=True)
        self.assert_clean()
        return result


class MySQL(ServerTest):
    option = "--mysql"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = MariaDB().start()
        cls.addClassCleanup(cls.server.stop)

    def tables(self):
        with self.server.connect() as mysql, mysql.cursor() as cursor:
            cursor.execute("SHOW TABLES")
            return [name for name, in cursor.fetchall()]

    def test_each_strategy_does_each_update(self):
        self.check_all_strategies()

    def test_each_update_is_counted_by_the_server(self):
        told = self.run_on(*strategies("window:16", "unlimited"), "--scale", 300).output
        self.assertIn("the server counts 600 updates; 600 calls succeeded", told)

    def test_the_server_sleeps_in_each_update(self):
        results = self.results("--sleep", "20ms", *strategies("sequential", "window:10"), "--retry", "none",
                               "--scale", 20)
        self.assertGreaterEqual(results["sequential"]["wall_seconds"], 0.4)
        self.assertGreaterEqual(results["window:10"]["wall_seconds"], 0.04)
        self.assertLess(results["window:10"]["wall_seconds"], results["sequential"]["wall_seconds"] / 2)

    def test_its_simulation_ranks_the_strategies_alike(self):
        result = self.assert_rankings_agree(
            "--connections", 16, "--sleep", "10ms", "--scale", 300, "--retry", "none", "--rounds", ROUNDS,
            *strategies("sequential", "window:2", "window:4", "window:8", "window:16", "window:64", "unlimited",
                        "adaptive:aimd", "adaptive:vegas", "adaptive:gradient2"))
        # A comparison of what is all the same would show nothing: each connection doubles what there is.
        ranks = re.findall(r"(?m)^(sequential|window:[248]|unlimited) +(\d+) +([\d,.]+) +(\d+) +([\d,.]+)$", result.output)
        goodput = {name: float(real.replace(",", "")) for name, _, real, _, _ in ranks}
        self.assertLess(goodput["sequential"] * 8, goodput["unlimited"])
        self.assertEqual({name: int(rank) for name, _, _, rank, _ in ranks if name != "unlimited"},
                         {"sequential": 10, "window:2": 9, "window:4": 8, "window:8": 7})

    def test_rankings_that_differ_are_told(self):
        # Reality is never the same to the last digit; the simulation of windows beyond the connections is.
        result = self.run_on("--compare", "--tolerance", 0, "--rounds", 1, "--connections", 4, "--scale", 100, "--sleep", "2ms",
                             "--retry", "none", *strategies("window:8", "window:16", "unlimited"), "--json", status=1)
        compared = result.report["comparison"]
        self.assertFalse(compared["agrees"], compared)
        self.assertEqual(len(compared["disagreements"]), 3, compared)
        self.assertEqual([row["rank_simulated"] for row in compared["strategies"]], [1, 1, 1], compared)
        self.assertEqual([row["rank_real"] for row in compared["strategies"]], [1, 2, 3], compared)
        self.assert_clean()

    def test_what_is_measured_can_be_simulated(self):
        buckets, capacity = self.check_measured(6)
        self.assertLess(capacity, 100)
        self.assertLess(float(buckets[0][0]), 100_000)

    def test_a_sleep_is_measured_and_the_capacity_is_the_connections(self):
        file = self.folder / "sleep.measured"
        self.run_on("--measure", file, "--connections", 8, "--sleep", "20ms")
        text = file.read_text()
        first = re.search(r"(?m)^([\d.]+) [\d.]+ \d+$", text)
        self.assertGreaterEqual(float(first[1]), 20_000 * 0.96, text)
        self.assertAlmostEqual(float(re.search(r"(?m)^capacity ([\d.]+)$", text)[1]), 8, delta=1.5)

    def test_a_picture_is_drawn(self):
        picture = self.folder / "real.svg"
        self.run_on("--svg", picture, *strategies("sequential", "window:4", "adaptive:aimd"), "--scale", 60)
        drawn = picture.read_text()
        self.assertTrue(drawn.rstrip().endswith("</svg>"))
        self.assertIn("adaptive:aimd", drawn)

    def test_ctrl_c_ends_it_and_leaves_no_table(self):
        self.check_interrupted(signal.SIGINT)

    def test_so_does_sigterm(self):
        self.check_interrupted(signal.SIGTERM)

    def test_a_login_that_is_refused(self):
        wrong = self.server.url.replace("@", "x@")
        self.assert_error(self.lab("--mysql", wrong, status=1), "Access denied")

    def test_a_database_that_is_not_there(self):
        self.assert_error(self.lab("--mysql", self.server.url + "x", status=1), "(?i)denied|unknown")

    def test_a_server_that_is_not_there(self):
        port = free_port()
        dead = self.server.url.replace(f":{self.server.port}/", f":{port}/")
        for more in ((), ("--compare",), ("--measure", self.folder / "none.measured")):
            with self.subTest(more):
                self.assert_error(self.lab("--mysql", dead, *more, status=1), f":{port}: Connection refused")
        self.assertFalse((self.folder / "none.measured").exists())


class MySQLOfItsOwn(ServerTest):
    option = "--mysql"
    tables = MySQL.tables

    def setUp(self):
        self.server = Few().start()
        self.addCleanup(self.server.stop)

    def test_connections_beyond_what_the_server_allows_are_refused_and_told(self):
        # By itself, the lab asks for no more than there are.
        results = self.results(*strategies("unlimited"), "--retry", "none", "--scale", 100, "--sleep", "2ms")
        self.assertEqual((results["unlimited"]["fulfilled"], results["unlimited"]["overloads"]), (100, 0))
        told = self.run_on(*strategies("unlimited", "adaptive:aimd"), "--retry", "exponential:8", "--scale", 100, "--sleep",
                           "20ms", "--connections", 40).output
        self.assertRegex(told, r"(?m)^\d+ × MySQL at .* gives no connection: er_con_count_error$")
        self.assertRegex(told, r"(?m)^\d+ calls got no connection$")
        self.assert_clean()

    def test_a_server_that_dies(self):
        self.check_dies(self.server.kill)


class Few(MariaDB):
    def command(self):
        return [*super().command(), "--max-connections=12"]


class OnDynamoDB(ServerTest):
    option = "--dynamodb"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = DynamoDB().start()
        cls.addClassCleanup(cls.server.stop)

    def tables(self):
        return self.server.client().list_tables()["TableNames"]

    def test_each_strategy_does_each_update(self):
        self.check_all_strategies()

    def test_what_is_measured_can_be_simulated(self):
        self.check_measured(6)

    def test_throttled_replies_are_overload(self):
        with ThrottledTable(self.server, 150, 20) as table:
            env = {**self.server.environment(), "FANOUT_DYNAMODB_URL": table.url}
            result = self.run_on(*strategies("unlimited"), "--retry", "exponential:20", "--scale", 300, "--connections", 8,
                                 "--json", env=env)
            unlimited = result.report["chapters"][0]["results"][0]
            self.assertEqual(unlimited["fulfilled"], 300)
            self.assertGreater(unlimited["overloads"], 100)
            # Those of the warm-up are not the strategy's.
            self.assertLessEqual(unlimited["overloads"], table.throttled())
        self.assert_clean()

    def test_ctrl_c_ends_it_and_leaves_no_table(self):
        self.check_interrupted(signal.SIGINT)

    def test_a_server_that_is_not_there(self):
        port = free_port()
        env = {**self.server.environment(), "FANOUT_DYNAMODB_URL": f"http://127.0.0.1:{port}"}
        self.assert_error(self.run_on(env=env, status=1), f"127.0.0.1:{port}", "Connection refused")

    def test_without_credentials(self):
        env = {"FANOUT_DYNAMODB_URL": self.server.url}
        self.assert_error(self.run_on(env=env, status=2), "AWS_ACCESS_KEY_ID")


class Arguments(LabTest):
    """What needs no server."""

    def refuse(self, *arguments, env=None):
        result = self.lab(*arguments, env=env, status=2)
        self.assertEqual(result.output, "", result)
        return result

    def test_what_is_refused(self):
        url = "mysql://u:secret@127.0.0.1/d"
        self.assert_error(self.refuse("--mysql"), "--mysql", "FANOUT_MYSQL_URL")
        self.assert_error(self.refuse("--dynamodb"), "--dynamodb", "FANOUT_DYNAMODB_URL")
        self.assert_error(self.refuse("--mysql", "http://u:secret@h/d"), "--mysql", "mysql://")
        self.assert_error(self.refuse("--mysql", url, "--dynamodb"), "--mysql|--dynamodb")
        for option in (("--compare",), ("--measure", "x"), ("--sleep", "5ms"), ("--connections", 4), ("--rounds", 2)):
            self.assert_error(self.refuse(*option), option[0] + " needs --mysql or --dynamodb")
        self.assert_error(self.refuse("--mysql", url, "--connections", 0), "--connections")
        self.assert_error(self.refuse("--mysql", url, "--sleep", "long"), "--sleep")
        self.assert_error(self.refuse("--mysql", url, "--measure", self.folder / "nowhere" / "x"), "--measure: cannot write")
        self.assert_error(self.refuse("--dynamodb", "http://127.0.0.1", "--sleep", "5ms"), "--sleep")

    def test_measured_files_that_are_wrong(self):
        head = "fanout-lab-measured 1\nsource mysql\ncapacity 2.5\nconnections 4\n"
        wrong = {
            "": (1, "begun|begin"),
            "something else\n": (1, "fanout-lab-measured"),
            "fanout-lab-measured 2\n": (1, "version"),
            "# only a comment\n\n": (3, "begun|begin"),
            "fanout-lab-measured 1\n1.0 2.0 3\n": (3, "capacity"),
            head: (5, "bucket"),
            head + "1.0 2.0\n": (5, "'source WORD'"),
            head + "1.0 2.0 3 4\n": (5, "bucket"),
            head + "1.0 2.0 0\n": (5, "whole number"),
            head + "1.0 2.0 -1\n": (5, "whole number"),
            head + "1.0 2.0 1.5\n": (5, "whole number"),
            head + "2.0 1.0 3\n": (5, "ends after"),
            head + "1.0 2.0 3\n\n1.5 3.0 3\n": (7, "ascend"),
            head + "-1.0 2.0 3\n": (5, "microseconds"),
            head + "nan 2.0 3\n": (5, "microseconds"),
            head + "1.0 1e99 3\n": (5, "microseconds"),
            head + "1.0 2.0001 3\n": (5, "three places"),
            head + "1.0 99999999999999 3\n": (5, "microseconds"),
            head + "1.0 2.0 99999999999999999999\n": (5, "whole number"),
            head + "capacity 3\n1.0 2.0 3\n": (5, "twice"),
            head.replace("2.5", "0") + "1.0 2.0 3\n": (3, "capacity"),
            head.replace("2.5", "inf") + "1.0 2.0 3\n": (3, "capacity"),
            head + "\0\0\0\n": (5, "bucket"),
        }
        file = self.folder / "wrong.measured"
        for text, (line, why) in wrong.items():
            with self.subTest(text):
                file.write_text(text)
                result = self.refuse("--service", f"measured:{file}")
                self.assert_error(result, re.escape(f"{file}:{line}: "), why)
        self.assert_error(self.refuse("--service", f"measured:{self.folder}"), "cannot read")
        self.assert_error(self.refuse("--service", f"measured:{self.folder / 'none'}"), "none.*No such file")

    def test_a_measured_file_is_what_the_simulation_runs_with(self):
        file = self.folder / "right.measured"
        file.write_text("# by hand\nfanout-lab-measured 1\n\ncapacity 4\n10000.000 10000.001 3 # calls\n")
        report = self.lab("--service", f"measured:{file}", "--scale", 100, "--json", *strategies("sequential", "unlimited")).report
        sequential, unlimited = report["chapters"][0]["results"]
        self.assertAlmostEqual(sequential["wall_seconds"], 1.0, delta=0.001)
        self.assertAlmostEqual(unlimited["wall_seconds"], 0.25, delta=0.001)


if __name__ == "__main__":
    unittest.main(verbosity=2)
