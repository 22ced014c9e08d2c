# SPDX-License-Identifier: BSL-1.0
"""Ten products are moved by one place: half of them, all but two, all after retries, all or none in one transaction."""

import itertools
import re
import unittest

import pymysql

from experiments import PROGRAM, ExperimentTest, Pictures, finish, run, run_undisturbed, start
from servers import MariaDB, free_port

UNIT = "250ms"  # when which update ends decides which rows are changed: by half a unit
UNIT_IN_A_TRACE = 250_000
PARTS = {
    "half": "when_all on four connections, product 6 is refused",
    "settled": "when_all_settled, products 3 and 7 are refused",
    "retried": "retry_rejected, the first four updates of products 3 and 7 are refused",
    "exhausted": "retry_rejected, products 3 and 7 are always refused",
    "transaction": "when_all in one transaction, on its one connection",
    "rolled back": "The same, product 6 is refused",
    "one": "One statement",
}
# The parts that are drawn, and how many updates each tries.
FOUR, TEN, TRANSACTION, STATEMENT = DRAWN = (
    "when_all on four connections", "retry_rejected on ten connections", "one transaction on one connection",
    "one statement")
ATTEMPTS = dict(zip(DRAWN, (8, 14, 10, 1)))


class OnServer(ExperimentTest):
    @classmethod
    def setUpClass(cls):
        cls.server = MariaDB().start()
        cls.addClassCleanup(cls.server.stop)

    def query(self, sql):
        with self.server.connect() as mysql, mysql.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def assert_nothing_left(self):
        self.assertEqual(self.query("SHOW TABLES"), ())  # a sequence is one, too
        self.assertEqual(self.query("SHOW TRIGGERS"), ())


class ProductReorder(OnServer):
    """One run of all parts; the server has logged every statement of it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.as_root("SET GLOBAL log_output = 'TABLE'")
        cls.as_root("SET GLOBAL general_log = ON")
        cls.pictures = Pictures(cls)
        cls.result = run_undisturbed(PROGRAM, "--unit", UNIT, *cls.pictures.options, env=cls.server.environment())
        cls.as_root("SET GLOBAL general_log = OFF")

    @classmethod
    def as_root(cls, sql):
        with pymysql.connect(unix_socket=f"{cls.server.folder}/socket", user="root") as mysql, mysql.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def lines(self, part):
        """What was told of a part, up to its row."""
        follows = self.result.output.split(f"{PARTS[part]}\n")[1]
        return [line.strip() for line in follows[:follows.index("\n|") + 1 if "\n|" in follows else None].splitlines()
                if not line.startswith("|")]

    def ours(self, name):
        return self.result.ours(f"product_reorder: {name}")

    def test_all_came_out_as_it_should(self):
        self.assert_right(self.result)
        self.assertNotIn("WRONG", self.result.output)
        self.assertEqual(len(self.result.rows), len(PARTS))
        self.assert_nothing_left()

    def test_when_all_leaves_some_rows_changed_and_tells_of_one_error(self):
        told, *fates = self.lines("half")
        self.assertRegex(told, r"^the caller was told: MySQL at 127.*: product 6 is refused")
        self.assertEqual(fates, [f"product {i}: fulfilled; its row: moved" for i in (1, 2, 3, 4)]
                         + ["product 5: cancelled; its row: moved, after the error",
                            "product 6: rejected; its row: as it was",
                            "product 7: cancelled; its row: moved, after the error",
                            "product 8: cancelled; its row: moved, after the error",
                            "product 9: not started; its row: as it was",
                            "product 10: not started; its row: as it was"])
        self.assertEqual(self.ours("when_all, one of ten fails"),
                         "4 rows changed at the error, 7 in the end, told that it failed")

    def test_settled_the_others_are_changed_and_the_rejected_are_known(self):
        self.assertEqual([line.split(":")[0] for line in self.lines("settled")], ["product 3", "product 7"])
        self.assertEqual(self.ours("when_all_settled, two of ten fail"),
                         "8 rows changed; rejected: product 3, product 7")

    def test_retries_run_again_what_was_rejected_and_nothing_else(self):
        self.assertEqual(self.ours("retry_rejected, at most 3 retries"), "10 rows changed, 4 retries")
        attempts = {}
        for line in self.lines("retried"):
            product, n = re.fullmatch(r"product (\d+): (\d) attempts", line).groups()
            attempts[int(product)] = int(n)
        self.assertEqual(set(attempts), {3, 7})
        self.assertEqual(sum(attempts.values()), 6)

    def test_the_server_saw_as_many_updates_as_were_told_of(self):
        logged = self.as_root("SELECT thread_id, CONVERT(argument USING utf8mb4) FROM mysql.general_log "
                              "WHERE command_type IN ('Query', 'Execute') ORDER BY event_time")
        # Of the last run, if there were several: its first connection is its own, and those of the pools come later.
        session = max(thread for thread, sql in logged if sql == "DELETE FROM fanout_product")
        updates = [(thread, sql) for thread, sql in logged
                   if thread >= session and sql.startswith("UPDATE fanout_product ")]
        # Half done: two of ten never started. Settled: ten. Four retries. Two products, three retries each.
        self.assertEqual(sum(thread != session for thread, _ in updates), 8 + 10 + 14 + 16)
        # The first one after a trigger was made is logged twice, since the server prepares it anew.
        in_transactions = [sql for sql, _ in itertools.groupby(sql for thread, sql in updates if thread == session)]
        self.assertEqual([int(re.search(r"id = (\d+)", sql)[1]) for sql in in_transactions], [*range(1, 11), *range(1, 7), 1])

    def test_exhausted_retries_name_every_product(self):
        self.assertEqual(self.ours("retries exhausted"), "8 rows changed; 2 products named")
        self.assertRegex(self.lines("exhausted")[0],
                         r"^product 3 \(4 attempts\): .*refused.*; product 7 \(4 attempts\): .*refused")

    def test_in_one_transaction_nothing_is_parallel(self):
        took, parallelism = re.fullmatch(r"([\d.]+) units, effective parallelism ([\d.]+)",
                                         self.ours("when_all in one transaction")).groups()
        self.assertEqual(parallelism, "1.0")
        self.assertRegex(self.lines("transaction")[0], "one after another.* The limit was 1,")
        self.assertGreaterEqual(float(took), 10)
        self.assertLess(float(took), 12.5)

    def test_in_one_transaction_it_is_all_or_nothing(self):
        self.assertIn("product 6 is refused", self.lines("rolled back")[0])
        self.assertEqual(self.ours("one transaction, one of ten fails"), "0 rows changed, 5 undone")

    def test_one_statement_takes_one_unit(self):
        took = re.fullmatch(r"([\d.]+) units, 10 rows changed", self.ours("one UPDATE of all rows"))
        self.assertAlmostEqual(float(took[1]), 1, delta=0.5)

    def slices(self, part):
        """What ran in that part, in order, and on how many rows of the trace."""
        trace = self.assert_pictures(self.pictures, *DRAWN, attempts=ATTEMPTS)
        rows = [slices for (process, _), (_, slices) in trace["rows"].items() if trace["processes"][process] == part]
        return sorted((one for row in rows for one in row), key=lambda one: one.start), len(rows)

    def test_on_one_connection_each_waits_for_the_one_before_it(self):
        ran, rows = self.slices(TRANSACTION)
        self.assertEqual(([one.args["index"] for one in ran], rows), ([*range(10)], 1))
        for before, after in zip(ran, ran[1:]):
            self.assertLessEqual(before.end, after.start)
        # It is the permit of the pool that they wait for, so their waiting is no part of their running.
        for place, one in enumerate(ran):
            self.assertGreaterEqual(one.args["waited_us"], place * UNIT_IN_A_TRACE)
            self.assertAlmostEqual(float(one.end - one.start) / UNIT_IN_A_TRACE, 1, delta=0.5)

    def test_on_ten_connections_all_run_at_the_same_time_and_the_refused_again(self):
        ran, rows = self.slices(TEN)
        self.assertEqual(rows, 10)
        self.assertLess(max(one.start for one in ran[:10]), min(one.end for one in ran))
        self.assertEqual({one.args["index"] for one in ran if one.args["state"] == "rejected"}, {2, 6})
        self.assertEqual({one.args["index"] for one in ran[10:]}, {2, 6})

    def test_on_four_connections_what_ran_when_one_failed_is_cancelled(self):
        ran, rows = self.slices(FOUR)
        self.assertEqual(rows, 4)
        self.assertEqual({one.args["index"]: one.args["state"] for one in ran},
                         dict(enumerate(["fulfilled"] * 4 + ["cancelled", "rejected", "cancelled", "cancelled"])))


class Refused(OnServer):
    """What goes wrong: one line, a status that scripts see, no secret, and nothing left behind."""

    def run_program(self, *more, env=None):
        return run(PROGRAM, "--unit", "20ms", *more, env=self.server.environment() if env is None else env, record=False)

    def test_exhausted_retries_end_with_status_1_and_the_names(self):
        pictures = Pictures(self)
        result = self.run_program("--exhausted", "--json", *pictures.options)
        self.assert_one_line(result, 1, "2 of 10 products could not be moved: ",
                             r"product 3 \(4 attempts\): .*; product 7 \(4 attempts\): ")
        self.assert_nothing_left()
        # What was seen until then is written all the same.
        part = "retry_rejected, exhausted"
        told = self.assert_report(result, "product_reorder", part)[part]
        self.assertEqual((told["fulfilled"], told["rejected"], told["retries"]), (8, 2, 6))
        self.assertIn("2 of 10 products could not be moved", result.report["error"])
        self.assert_pictures(pictures, part, attempts={part: 16})

    def test_quiet(self):
        self.assertEqual(self.run_program("--exhausted", "--quiet").output, "")

    def test_a_table_that_is_there_already_is_left_as_it_is(self):
        self.query("CREATE TABLE fanout_product SELECT 7 AS mine")
        self.addCleanup(self.query, "DROP TABLE fanout_product")
        self.assert_one_line(self.run_program(), 1, "fanout_product already")
        self.assertEqual(self.query("SELECT mine FROM fanout_product"), ((7,),))

    def test_a_sequence_that_is_there_already_is_left_as_it_is(self):
        self.query("CREATE SEQUENCE fanout_product_refusals START WITH 7")
        self.addCleanup(self.query, "DROP SEQUENCE IF EXISTS fanout_product_refusals")
        self.assert_one_line(self.run_program(), 1, "sequence fanout_product_refusals already")
        self.assertEqual(self.query("SELECT NEXT VALUE FOR fanout_product_refusals"), ((7,),))
        self.assertEqual(self.query("SHOW TABLES"), (("fanout_product_refusals",),))

    def test_a_connection_killed_in_the_middle_is_an_error_and_leaves_nothing(self):
        running = start(PROGRAM, "--unit", "500ms", env=self.server.environment())
        told = running.stdout.readline()
        waiting = "SELECT id FROM information_schema.processlist WHERE info LIKE 'UPDATE fanout_product %'"
        while not (found := self.query(waiting)):
            self.assertIsNone(running.poll())
        first = min(row[0] for row in self.query("SELECT id FROM information_schema.processlist "
                                                 "WHERE user = 'snapshot' AND command = 'Sleep'"))
        self.query(f"KILL {first}")  # the program's own connection, beside those of the pool
        result = finish(running, told, record=False)
        self.assertGreaterEqual(len(found), 1)
        self.assert_one_line(result, 1, "MySQL at 127")
        self.assert_nothing_left()

    def test_the_server_is_killed_in_the_middle(self):
        with MariaDB() as server:
            running = start(PROGRAM, "--unit", "500ms", env=server.environment())
            told = running.stdout.readline()
            server.kill()
            self.assert_one_line(finish(running, told, record=False), 1, "MySQL at 127")

    def test_what_is_refused(self):
        self.assert_one_line(self.run_program("--mysql", self.server.url.replace("@", "x@")), 1, "Access denied")
        port = free_port()
        dead = self.server.url.replace(f":{self.server.port}/", f":{port}/")
        self.assert_one_line(self.run_program("--mysql", dead), 1, f":{port}: Connection refused$")
        self.assert_one_line(self.run_program("--mysql", "mysql://u:p%40ss@h"), 2, "--mysql: not a usable URL")
        self.assert_one_line(self.run_program(env={}), 2, "FANOUT_MYSQL_URL")

    def test_help(self):
        told = run(PROGRAM, "--help")
        self.assertEqual((told.status, told.errors), (0, ""), told)
        self.assertIn("--exhausted", told.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
