# SPDX-License-Identifier: BSL-1.0
"""Transactions that a real MariaDB turns away with 1213 and 1205 are run again as a whole, and applied exactly once."""

import asyncio
import contextlib
import re
import subprocess
import time
import unittest

import pymysql

from experiments import ExperimentTest, Pictures, Result
from servers import MariaDB, Network, free_port
from transaction_retry import mysql_url, start

# No run of these tests comes near this; one that reaches it hangs.
HANG = 120
TOTALS = re.compile(r"(\d+) of 3 committed; errors 1213: (\d+), 1205: (\d+); retries: (\d+)")
PARTS = ("Two transfers that lock the same accounts in opposite order",
         "A transfer that waits for a lock longer than 1 s")
ATTEMPTS = dict(zip(PARTS, (3, 2)))
BALANCES = re.compile(r"  after: account 1: (-?\d+), account 2: (-?\d+)")


class Run(Result):
    @property
    def totals(self):
        """Transfers committed, errors 1213 and 1205, retries: the one row of the result."""
        found = TOTALS.fullmatch(self.ours("transaction_retry: transfers"))
        if not found or len(self.rows) != 1:
            raise AssertionError(f"the row is no summary: {self}")
        return tuple(map(int, found.groups()))

    @property
    def balances(self):
        """Of both accounts, after each of the two parts."""
        return [tuple(map(int, found)) for found in BALANCES.findall(self.output)]

    def transfer(self, name):
        """What was told of one transfer's attempts, in order, by its first words: [(1, "begins"), …]."""
        lines = re.findall(rf"^  {name}, attempt (\d+): (begins|committed|error \d+|will be run again|rejected)",
                           self.output, re.MULTILINE)
        return [(int(attempt), what) for attempt, what in lines]


def retried_after(error):
    return [(1, "begins"), (1, error), (1, "will be run again"), (2, "begins"), (2, "committed")]


AT_ONCE = [(1, "begins"), (1, "committed")]


class Cut(Network):
    """A way to the server that breaks, once, at the given statement.

    That is never delivered; or, with `delivered`, it is, and its answer is not.
    """

    def __init__(self, port, statement=None, nth=1, delivered=False):
        super().__init__(port, 0)
        self.statement, self.left, self.delivered = statement, nth, delivered
        self.connections = 0

    async def connected(self, from_client, to_client):
        self.connections += 1
        self.tasks.append(asyncio.current_task())
        self.writers.append(to_client)
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.to)
        self.writers.append(to_server)
        silent = asyncio.Event()
        await asyncio.gather(self.ask(from_client, to_server, silent), self.answer(from_server, to_client, silent))

    async def ask(self, from_client, to_server, silent):
        with contextlib.suppress(OSError):
            while data := await from_client.read(65536):
                if self.statement and self.statement in data:
                    self.left -= 1
                    if self.left == 0:
                        silent.set()
                        if not self.delivered:
                            break
                to_server.write(data)
        to_server.close()

    async def answer(self, from_server, to_client, silent):
        with contextlib.suppress(OSError):
            while (data := await from_server.read(65536)) and not silent.is_set():
                to_client.write(data)
        to_client.transport.abort()


def setUpModule():
    TransactionRetry.mariadb = MariaDB().start()
    unittest.addModuleCleanup(TransactionRetry.mariadb.stop)


class TransactionRetry(ExperimentTest):
    """Runs of the program on one MariaDB, which no run leaves anything in."""

    def query(self, sql, connection=None):
        with connection or self.mariadb.connect() as mysql, mysql.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def as_root(self, sql):
        return self.query(sql, pymysql.connect(unix_socket=f"{self.mariadb.folder}/socket", user="root"))

    def start(self, url=None, *more, environment=None):
        return start("--mysql", url or mysql_url(self.mariadb.port), *more, environment=environment,
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, running, before=""):
        try:
            output, errors = running.communicate(timeout=HANG)
        except subprocess.TimeoutExpired:
            running.kill()
            raise AssertionError(f"hangs: {running.communicate()}") from None
        self.assertNotIn(MariaDB.password, before + output + errors)
        self.assertNotIn("p%40ss", before + output + errors)
        return Run(running.returncode, before + output, errors)

    def run_program(self, *arguments, **options):
        return self.finish(self.start(*arguments, **options))

    def deadlocks(self):
        return int(self.query("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")[0][1])

    def assert_no_table(self):
        self.assertEqual(self.query("SHOW TABLES"), ())

    def assert_all_applied(self, run):
        self.assertEqual((run.status, run.errors), (0, ""), run)
        self.assertEqual(run.totals, (3, 1, 1, 2), run)
        self.assertEqual(run.balances, [(80, 120), (55, 150)], run)
        a, b = run.transfer("A"), run.transfer("B")
        self.assertIn(retried_after("error 1213"), (a, b), run)
        self.assertIn(AT_ONCE, (a, b), run)
        self.assertEqual(run.transfer("C"), retried_after("error 1205"), run)
        self.assert_no_table()

    def assert_one_line(self, run, status, *says):
        super().assert_one_line(run, status, *says)
        self.assertNotIn("/boost/", run.output + run.errors)  # places in the source are not for people


class Collisions(TransactionRetry):
    def test_a_deadlock_and_a_lock_wait_timeout_are_run_again_and_applied_once(self):
        before = self.deadlocks()
        pictures = Pictures(self)
        run = self.run_program(None, *pictures.options)
        self.assert_all_applied(run)
        self.assertEqual(self.deadlocks() - before, 1)
        self.assert_traced(self.assert_pictures(pictures, *PARTS, attempts=ATTEMPTS))

    def assert_traced(self, trace):
        """The error of each part, and an arrow from the attempt that had it to the next one of the same transfer."""
        for (before, after), part, error in zip(trace["flows"], PARTS, ("er_lock_deadlock", "er_lock_wait_timeout")):
            self.assertEqual(trace["processes"][before.row[0]], part)
            self.assertEqual(before.args["error"], error)
            self.assertEqual((before.args["attempt"], after.args["attempt"], after.args["state"]), (1, 2, "fulfilled"))
            self.assertEqual(before.args["index"], after.args["index"])
            self.assertLess(before.end, after.start)
        self.assertEqual(len(trace["flows"]), 2)

    def test_json_is_all_there_is_and_adds_up(self):
        run = self.run_program(None, "--json")
        self.assertEqual((run.status, run.errors), (0, ""), run)
        self.assertEqual(run.totals, (3, 1, 1, 2), run)
        parts = self.assert_report(run, "transaction_retry", *PARTS)
        self.assertEqual({name: part["attempts"] for name, part in parts.items()}, ATTEMPTS)
        self.assert_no_table()

    def test_the_server_sees_whole_transactions_each_time(self):
        self.as_root("SET GLOBAL log_output = 'TABLE'")
        self.as_root("SET GLOBAL general_log = ON")
        self.addCleanup(self.as_root, "SET GLOBAL general_log = OFF")
        self.assert_all_applied(self.run_program())
        sent = {}
        for thread, statement in self.as_root(
                "SELECT thread_id, CONVERT(argument USING utf8mb4) FROM mysql.general_log "
                "WHERE command_type IN ('Query', 'Execute') ORDER BY event_time, thread_id"):
            if word := re.match("BEGIN|UPDATE|COMMIT|ROLLBACK", statement):
                sent.setdefault(thread, []).append(word[0])
        transactions = []
        for words in sent.values():
            self.assertEqual(words[0], "BEGIN", sent)
            for word in words:
                if word == "BEGIN":
                    transactions.append([])
                transactions[-1].append(word)
        committed, rolled_back = ["BEGIN", "UPDATE", "UPDATE", "COMMIT"], ["BEGIN", "UPDATE", "UPDATE", "ROLLBACK"]
        blocker = ["BEGIN", "UPDATE", "COMMIT"]
        self.assertEqual(sorted(transactions), sorted([committed] * 3 + [rolled_back] * 2 + [blocker]))


class Lost(TransactionRetry):
    """The way to the server breaks in the middle."""

    def run_through(self, *cut, **options):
        with Cut(self.mariadb.port, *cut, **options) as way:
            run = self.run_program(mysql_url(way.port))
            self.assertLessEqual(way.left, 0 if cut else 1, run)
            return run, way.connections

    def test_a_session_that_could_not_be_rolled_back_is_not_used_again(self):
        run, undisturbed = self.run_through()
        self.assert_all_applied(run)
        # After the deadlock the session of the other transfer may be idle already, so that no new one is needed.
        for nth, error, more in ((1, "1213", (0, 1)), (2, "1205", (1,))):
            with self.subTest(after=error):
                run, connections = self.run_through(b"ROLLBACK", nth=nth)
                self.assert_all_applied(run)
                self.assertIn(connections - undisturbed, more)

    def test_what_was_lost_at_commit_is_not_run_again_although_it_was_applied(self):
        run, _ = self.run_through(b"COMMIT", delivered=True)
        self.assert_one_line(run, 1, "not everything came out")
        self.assertEqual(run.totals, (2, 1, 1, 2), run)
        transfers = (run.transfer("A"), run.transfer("B"))
        self.assertIn([(1, "begins"), (1, "rejected")], transfers, run)
        self.assertIn(retried_after("error 1213"), transfers, run)
        self.assertRegex(run.output, "(?m)^  [AB] was not run again: whether COMMIT took effect is not known: MySQL at ")
        self.assertNotIn("WRONG", run.output)
        self.assertEqual(run.balances, [(80, 120), (55, 150)], run)
        self.assert_no_table()

    def test_a_session_that_was_killed_is_not_run_again(self):
        running = self.start()
        told = ""
        for line in running.stdout:
            told += line
            if line.startswith("  C has changed account 1"):
                break
        give_up = time.monotonic() + HANG
        waits = "SELECT id FROM information_schema.processlist WHERE info LIKE 'UPDATE fanout_accounts %'"
        while not (waiting := self.query(waits)):
            self.assertLess(time.monotonic(), give_up, "C does not wait")
        self.query(f"KILL {waiting[0][0]}")
        run = self.finish(running, told)
        self.assert_one_line(run, 1, "not everything came out")
        self.assertEqual(run.totals, (2, 1, 0, 1), run)
        self.assertEqual(run.transfer("C"), [(1, "begins"), (1, "rejected")], run)
        self.assertIn("  C failed for good: MySQL at ", run.output)
        self.assertNotIn("WRONG", run.output)
        self.assertEqual(run.balances, [(80, 120), (80, 125)], run)
        self.assert_no_table()


class Refused(TransactionRetry):
    """What goes wrong at the start: one line, a status that scripts see, no secret, and nothing left behind."""

    def test_a_wrong_password(self):
        self.assert_one_line(self.run_program(mysql_url(self.mariadb.port, password="wrong")), 1, "(?i)access denied")

    def test_an_unknown_database(self):
        self.assert_one_line(self.run_program(mysql_url(self.mariadb.port, database="nowhere")), 1, "nowhere")

    def test_a_dead_server(self):
        port = free_port()
        self.assert_one_line(self.run_program(mysql_url(port)), 1, "(?i)refused", str(port))

    def test_bad_urls_and_none(self):
        for url in ("", "mysql://", "http://u:p%40ss@h/d", "mysql://u:p@ss/w@h/d"):
            with self.subTest(url):
                run = self.run_program(url) if url else self.finish(start(stdout=subprocess.PIPE, stderr=subprocess.PIPE))
                self.assert_one_line(run, 2, "--mysql")
                self.assertNotIn("p@ss", run.errors)

    def test_the_password_may_come_from_the_environment(self):
        url = mysql_url(self.mariadb.port, password=None)
        self.assert_one_line(self.run_program(url), 1, "(?i)access denied")
        run = self.run_program(url, "--quiet", environment={"MYSQL_PWD": MariaDB.password})
        self.assertEqual((run.status, run.errors, run.totals), (0, "", (3, 1, 1, 2)), run)
        self.assertEqual(run.output.count("\n"), 1, run)

    def test_a_table_that_is_there_already_is_left_as_it_is(self):
        self.query("CREATE TABLE fanout_accounts SELECT 7 AS mine")
        self.addCleanup(self.query, "DROP TABLE fanout_accounts")
        self.assert_one_line(self.run_program(), 1, "fanout_accounts already")
        self.assertEqual(self.query("SELECT mine FROM fanout_accounts"), ((7,),))

    def test_help(self):
        run = self.finish(start("--help", stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        self.assertEqual((run.status, run.errors), (0, ""))
        self.assertIn("--mysql URL", run.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
