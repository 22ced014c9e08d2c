# SPDX-License-Identifier: BSL-1.0
"""A rollback takes back what its own connection did, no more; with two-phase commit several connections are all or nothing."""

import concurrent.futures
import contextlib
import re
import time
import unittest

from experiments import HANG, PROGRAM, ExperimentTest, Pictures, finish, run, run_undisturbed, start
from servers import PostgreSQL, free_port

ONE_SETTLED, ONE_ALL, SEPARATE, ONE_FAILS, NONE_FAILS = PARTS = (
    "when_all_settled, one connection", "when_all, one connection", "separate connections, rollback on another",
    "a transaction per connection, one fails", "a transaction per connection, none fails")
# How many children each runs; with two-phase commit each branch once more, in the second phase.
ATTEMPTS = dict(zip(PARTS, (5, 4, 5, 5 + 5, 4 + 4)))
FIGURES = re.compile(r"([\d.]+) units, (\d+) rows, effective parallelism ([\d.]+)")
ROW = re.compile(r"^  (1 unit|2 units|3 units|a failure|5 units): (\w+)(?:: .*SQLSTATE (\w{5})\))?$", re.MULTILINE)
# Half of that would be another insert.
HALF_A_UNIT = 0.5


class PostgreSQLWithoutPrepared(PostgreSQL):
    """With the settings that PostgreSQL comes with: no transaction can be prepared."""

    def command(self):
        return [*super().command(), "-c", "max_prepared_transactions=0"]


def setUpModule():
    TransactionFanout.server = PostgreSQL().start()
    unittest.addModuleCleanup(TransactionFanout.server.stop)


class TransactionFanout(ExperimentTest):
    """On one server, in which no run leaves anything."""

    def query(self, sql, *parameters):
        with contextlib.closing(self.server.connect()) as connection:
            return self.query_on(connection, sql, *parameters)

    @staticmethod
    def query_on(connection, sql, *parameters):
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return [row[0] for row in cursor.fetchall()] if cursor.description else None

    def prepared(self):
        return self.query("SELECT gid FROM pg_prepared_xacts ORDER BY gid")

    def tables(self):
        return self.query("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")

    def wait_until(self, condition):
        give_up = time.monotonic() + HANG
        while not (found := condition()):
            self.assertLess(time.monotonic(), give_up)
            time.sleep(0.01)
        return found

    def assert_nothing_left(self):
        self.assertEqual((self.tables(), self.prepared()), ([], []))

    def start_until(self, part, unit="100ms"):
        """Starts the program and reads on until that part begins."""
        running = start(PROGRAM, "--unit", unit, env=self.server.environment())
        self.addCleanup(running.kill)
        told = ""
        for line in running.stdout:
            told += line
            if line == part + "\n":
                return running, told
        raise AssertionError(told)

    def outcomes(self, result, part):
        """Of that part, [(row, state, SQLSTATE or ""), …]."""
        follows = result.output.split(f"{part}\n")[1]
        ends = [follows.find(end) for end in (*(f"\n{other}\n" for other in PARTS), "\n|") if end in follows]
        return ROW.findall(follows[:min(ends) + 1])


class Figures(TransactionFanout):
    @classmethod
    def setUpClass(cls):
        cls.pictures = Pictures(cls)
        cls.result = run_undisturbed(PROGRAM, "--unit", "200ms", *cls.pictures.options, env=cls.server.environment())

    def assert_figures(self, part, units, rows, parallelism):
        ours = self.result.ours(f"transaction_fanout: {part}")
        told = FIGURES.fullmatch(ours)
        self.assertTrue(told, ours)
        self.assertGreaterEqual(float(told[1]), units, ours)
        self.assertLessEqual(float(told[1]), units + HALF_A_UNIT, ours)
        self.assertEqual(int(told[2]), rows, ours)
        self.assertAlmostEqual(float(told[3]), parallelism, delta=0.2, msg=ours)

    def test_all_came_out_as_it_should(self):
        self.assert_right(self.result)
        self.assertNotIn("WRONG", self.result.output)
        self.assertEqual([name for name, _, _ in self.result.rows], [f"transaction_fanout: {part}" for part in PARTS])
        self.assert_nothing_left()

    def test_on_one_connection_they_run_one_after_another_and_all_is_rolled_back(self):
        self.assert_figures(ONE_SETTLED, 6, 0, 1.0)
        self.assertEqual(self.outcomes(self.result, ONE_SETTLED), [
            ("1 unit", "fulfilled", ""), ("2 units", "fulfilled", ""), ("3 units", "fulfilled", ""),
            ("a failure", "rejected", "42703"), ("5 units", "rejected", "25P02")])

    def test_when_all_on_one_connection_is_no_faster(self):
        self.assert_figures(ONE_ALL, 6, 0, 1.0)
        self.assertRegex(self.result.output, f"{ONE_ALL}\n  when_all threw: .*SQLSTATE 42703")

    def assert_one_rejected(self, part):
        self.assertEqual(self.outcomes(self.result, part), [
            ("1 unit", "fulfilled", ""), ("2 units", "fulfilled", ""), ("3 units", "fulfilled", ""),
            ("a failure", "rejected", "42703"), ("5 units", "fulfilled", "")])

    def test_on_separate_connections_they_run_side_by_side_and_the_rollback_takes_back_nothing(self):
        self.assert_figures(SEPARATE, 5, 4, 11 / 5)
        self.assert_one_rejected(SEPARATE)

    def test_a_transaction_per_connection_is_side_by_side_and_nothing_where_one_fails(self):
        self.assert_figures(ONE_FAILS, 5, 0, 11 / 5)
        self.assert_one_rejected(ONE_FAILS)

    def test_a_transaction_per_connection_is_all_where_none_fails(self):
        self.assert_figures(NONE_FAILS, 5, 4, 11 / 5)
        self.assertEqual([state for _, state, _ in self.outcomes(self.result, NONE_FAILS)], ["fulfilled"] * 4)

    def slices(self, part):
        """What ran in that part, in order."""
        trace = self.assert_pictures(self.pictures, *PARTS, attempts=ATTEMPTS)
        return sorted((one for (process, _), (_, row) in trace["rows"].items() for one in row
                       if trace["processes"][process] == part), key=lambda one: one.start)

    def test_the_trace_shows_that_nothing_overlaps_on_one_connection(self):
        for part in (ONE_SETTLED, ONE_ALL):
            ran = self.slices(part)
            self.assertEqual([one.args["index"] for one in ran], [*range(ATTEMPTS[part])])
            for before, after in zip(ran, ran[1:]):
                self.assertLessEqual(before.end, after.start)
                # For all that time it waited for the permit of the pool.
                self.assertAlmostEqual(float(after.args["waited_us"]), float(after.start), delta=1)

    def test_the_trace_shows_that_all_overlap_on_separate_connections(self):
        ran = [one for one in self.slices(SEPARATE) if one.args["state"] == "fulfilled"]
        self.assertEqual(len(ran), 4)
        self.assertLess(max(one.start for one in ran), min(one.end for one in ran))

    def test_the_trace_shows_that_the_second_phase_begins_when_all_have_settled(self):
        ran = self.slices(ONE_FAILS)
        self.assertEqual({one.args["index"] for one in ran[:5]}, {*range(5)})
        self.assertLessEqual(max(one.end for one in ran[:5]), min(one.start for one in ran[5:]))

    def test_json(self):
        result = run(PROGRAM, "--unit", "20ms", "--json", env=self.server.environment(), record=False)
        parts = self.assert_report(result, "transaction_fanout", *PARTS)
        self.assertEqual({name: part["attempts"] for name, part in parts.items()}, ATTEMPTS)
        self.assertEqual([part["peak_in_flight"] for part in parts.values()][:2], [1, 1])
        self.assertEqual([name for name, _, _ in result.rows], [f"transaction_fanout: {part}" for part in PARTS])

    def test_quiet(self):
        result = run(PROGRAM, "--unit", "20ms", "--quiet", env=self.server.environment(), record=False)
        self.assertEqual(len(result.rows), len(PARTS))
        self.assertEqual(result.output.count("\n"), len(PARTS), result)


class Disturbed(TransactionFanout):
    """The second phase, where connections or the program are lost in between.

    It takes long to come there, in which nothing is looked at: so each goes on at a server of its own, beside the others.
    """

    @classmethod
    def setUpClass(cls):
        scenarios = [name for name in vars(cls) if name.startswith("scenario_")]
        # The threads are there until the class has ended: what a thread started ends with it.
        threads = concurrent.futures.ThreadPoolExecutor(len(scenarios))
        cls.addClassCleanup(threads.shutdown)
        cls.running = {name: threads.submit(cls(name).play, name) for name in scenarios}

    def play(self, scenario):
        try:
            self.server = PostgreSQL().start()
            self.addCleanup(self.server.stop)
            self.connect()
            getattr(self, scenario)()
        finally:
            self.doCleanups()

    def came_out(self):
        """That the scenario of this test's name held what it asserts."""
        self.running[self._testMethodName.replace("test_", "scenario_", 1)].result()

    def connect(self):
        # Kept: looks and strikes must come within the two units that one of the branches is behind the others.
        self.connection = self.server.connect()
        self.addCleanup(self.connection.close)

    def query(self, sql, *parameters):
        return self.query_on(self.connection, sql, *parameters)

    def start_until_three_are_prepared(self):
        """The fourth, of 5 units, is still at its insert: two units remain. Where the machine stood still for longer than
        that, so that the program has ended, it is started again."""
        for _ in range(3):
            running, told = self.start_until(NONE_FAILS, unit="500ms")
            if self.wait_until(lambda: self.three_are_prepared_or_ended(running)) == "prepared":
                return running, told
            running.communicate()
        raise AssertionError("the program has ended three times before three transactions were seen to be prepared")

    def three_are_prepared_or_ended(self, running):
        if len(self.prepared()) == 3:
            return "prepared"
        return "ended" if running.poll() is not None else None

    def terminate(self, condition):
        return self.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                          f"WHERE usename = current_user AND pid <> pg_backend_pid() AND {condition}")

    def scenario_a_branch_whose_connection_is_lost_takes_all_others_with_it(self):
        running, told = self.start_until_three_are_prepared()
        self.assertEqual(self.terminate("state = 'active' AND query LIKE 'INSERT %%'"), [True])
        result = finish(running, told)
        self.assert_one_line(result, 1, "not everything came out")
        self.assertRegex(result.output, "  5 units: rejected: .*SQLSTATE 57P01")
        self.assertRegex(result.ours(f"transaction_fanout: {NONE_FAILS}"), r"^[\d.]+ units, 0 rows, ")
        self.assert_nothing_left()

    def scenario_what_is_prepared_is_committed_although_its_connections_are_lost(self):
        running, told = self.start_until_three_are_prepared()
        self.assertEqual(self.terminate("state = 'idle' AND query LIKE 'PREPARE %%'"), [True] * 3)
        result = finish(running, told)
        self.assert_right(result)
        self.assertRegex(result.ours(f"transaction_fanout: {NONE_FAILS}"), r"^[\d.]+ units, 4 rows, ")
        self.assert_nothing_left()

    def scenario_between_the_phases_transactions_are_in_doubt_until_somebody_finishes_them(self):
        running, _ = self.start_until_three_are_prepared()
        running.kill()
        running.communicate()
        self.wait_until(lambda: self.query("SELECT count(*) FROM pg_stat_activity "
                                           "WHERE usename = current_user AND pid <> pg_backend_pid()") == [0])
        # Nobody is there any more, and they are: not even a crash of the server ends them.
        self.server.kill()
        self.server.start()
        self.connect()
        in_doubt = self.prepared()
        self.assertEqual(len(in_doubt), 3)
        again = run(PROGRAM, env=self.server.environment())
        self.assert_one_line(again, 1, "a table fanout_node_test already", "pg_prepared_xacts")
        self.assertEqual(self.query("SELECT count(*) FROM fanout_node_test"), [0])
        # Each can go either way, by itself.
        self.query("COMMIT PREPARED %s", in_doubt[0])
        self.assertEqual(self.query("SELECT count(*) FROM fanout_node_test"), [1])
        for gid in in_doubt[1:]:
            self.query("ROLLBACK PREPARED %s", gid)
        self.assertEqual(self.query("SELECT count(*) FROM fanout_node_test"), [1])
        self.query("DROP TABLE fanout_node_test")

    def scenario_a_server_that_is_killed(self):
        running, told = self.start_until(ONE_SETTLED)
        self.server.kill()
        result = finish(running, told)
        self.assert_one_line(result, 1, "PostgreSQL at 127.0.0.1")
        self.server.start()
        self.connect()
        self.query("DROP TABLE fanout_node_test")

    def test_a_branch_whose_connection_is_lost_takes_all_others_with_it(self):
        self.came_out()

    def test_what_is_prepared_is_committed_although_its_connections_are_lost(self):
        self.came_out()

    def test_between_the_phases_transactions_are_in_doubt_until_somebody_finishes_them(self):
        self.came_out()

    def test_a_server_that_is_killed(self):
        self.came_out()


class Refused(TransactionFanout):
    """What goes wrong at the start: one line, a status that scripts see, no secret, and nothing left behind."""

    def run_at(self, url):
        return run(PROGRAM, "--unit", "10ms", "--postgres", url)

    def test_a_wrong_password(self):
        host = f"127.0.0.1:{self.server.port}/{self.server.database}"
        told = self.run_at(f"postgresql://{self.server.user_name}:wr%20ong@{host}")
        self.assert_one_line(told, 1, "password authentication failed")

    def test_a_dead_server(self):
        port = free_port()
        told = self.run_at(f"postgresql://u:p%40ss@127.0.0.1:{port}/d")
        self.assert_one_line(told, 1, "refused", str(port))

    def test_bad_urls_and_none(self):
        for url in ("postgresql://", "mysql://u:p%40ss@h/d", "postgresql://u:s3cr3t/w@h/d",
                    "postgresql://u:p%40ss@h/d?sslmode=prefer", "postgresql://u:p%40ss@h/d?host=x"):
            with self.subTest(url):
                told = self.run_at(url)
                self.assert_one_line(told, 2, "--postgres: not a usable URL")
                self.assertNotRegex(told.errors, "p@ss|s3cr3t")
        self.assert_one_line(run(PROGRAM), 2, "--postgres", "FANOUT_POSTGRES_URL")

    def test_a_server_that_prepares_no_transactions(self):
        with PostgreSQLWithoutPrepared() as server:
            told = run(PROGRAM, env=server.environment())
        self.assert_one_line(told, 1, "max_prepared_transactions")

    def test_a_table_that_is_there_already_is_left_as_it_is(self):
        self.query("CREATE TABLE fanout_node_test AS SELECT 7 AS mine")
        self.addCleanup(self.query, "DROP TABLE fanout_node_test")
        self.assert_one_line(self.run_at(self.server.url), 1, "fanout_node_test already")
        self.assertEqual(self.query("SELECT mine FROM fanout_node_test"), [7])

    def test_help(self):
        told = run(PROGRAM, "--help")
        self.assertEqual((told.status, told.errors), (0, ""), told)
        self.assertIn("--unit TIME", told.output)
        self.assertIn("--postgres URL", told.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
