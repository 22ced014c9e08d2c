# SPDX-License-Identifier: BSL-1.0
"""A favourite is made in five awaits in a row, and by look-ups side by side with one transaction, on real servers."""

import re
import unittest

import pymysql

import experiments
from experiments import PROGRAM, ExperimentTest, Pictures
from servers import MariaDB, Network, Redis, free_port

NAME = "favorite_summoner: "
# Round trips in a row, statements, commands of Redis.
COUNTS = {
    "new favourite, before": (11, 10, 1),
    "new favourite, before, autocommit": (7, 6, 1),
    "new favourite, after": (6, 7, 1),
    "deleted favourite restored, before": (8, 7, 1),
    "deleted favourite restored, before, autocommit": (6, 5, 1),
    "deleted favourite restored, after": (5, 6, 1),
    "limit reached, before": (1, 1, 0),
    "limit reached, before, autocommit": (1, 1, 0),
    "limit reached, after": (1, 3, 0),
}
FAULTS = {
    'fault at "save in Redis", before': "failed; left behind: nothing",
    'fault at "save in Redis", after': "succeeded; there is: the record, the favourite",
    'fault at "save the record", before': "failed; left behind: the cache entry",
    'fault at "save the record", after': "failed; left behind: nothing",
    'fault at "save the favourite", before': "failed; left behind: the cache entry, the record",
    'fault at "save the favourite", after': "failed; left behind: nothing",
    'fault at "restore the favourite", before': "failed; left behind: the cache entry, the record",
    'fault at "restore the favourite", after': "failed; left behind: nothing",
    'cancelled behind "save the record", after': "failed; left behind: nothing",
}
# Of those, the steps that ran.
STEPS = {name: 5 if not name.startswith("limit reached") else 3 if name.endswith("after") else 1 for name in COUNTS}
COUNT = re.compile(r"(\d+) round trips? in a row, ([\d.]+) ms \((\d+) statements?, (\d+) Redis commands?\)")
ONE_WAY = 0.025


def at_port(url, port):
    return re.sub(r":\d+/", f":{port}/", url)


def setUpModule():
    for server in (MariaDB(), Redis()):
        setattr(FavoriteSummoner, server.name, server.start())
        unittest.addModuleCleanup(server.stop)


class FavoriteSummoner(ExperimentTest):
    def run_program(self, *more, mysql=None, redis=None, **options):
        return experiments.run(PROGRAM, "--mysql", mysql or self.mariadb.url, "--redis", redis or self.redis.url, *more,
                               **options)

    def query(self, sql):
        with self.mariadb.connect() as mysql, mysql.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def assert_nothing_left(self):
        self.assertEqual(self.query("SHOW TABLES"), ())
        self.assertEqual(self.query("SHOW TRIGGERS"), ())
        with self.redis.connect() as client:
            self.assertEqual(client.keys(), [])

    def assert_figures(self, result):
        """Returns the milliseconds of each way."""
        self.assert_right(result)
        self.assertEqual({name for name, _, _ in result.rows}, {NAME + name for name in (*COUNTS, *FAULTS)})
        for name, left in FAULTS.items():
            self.assertEqual(result.ours(NAME + name), left)
        took = {}
        for name, counts in COUNTS.items():
            found = COUNT.fullmatch(result.ours(NAME + name))
            self.assertIsNotNone(found, result)
            in_a_row, took[name], statements, commands = found.groups()
            self.assertEqual((int(in_a_row), int(statements), int(commands)), counts, name)
        return {name: float(time) for name, time in took.items()}


class Figures(FavoriteSummoner):
    def test_what_each_way_asks_of_the_servers_and_leaves_behind(self):
        self.assert_figures(self.run_program())
        self.assert_nothing_left()

    def test_it_takes_as_many_round_trips_as_it_says_where_the_servers_are_far_away(self):
        pictures = Pictures(self)
        with Network(self.mariadb.port, ONE_WAY) as mysql, Network(self.redis.port, ONE_WAY) as redis:
            # Made again while the machine was busy with something else, as the heartbeat says; the last one counts. Not
            # recorded: what is recorded comes without a network in between.
            for _ in range(8):
                result = self.run_program(*pictures.options, mysql=at_port(self.mariadb.url, mysql.port),
                                          redis=at_port(self.redis.url, redis.port), record=False)
                if result.heartbeat_worst is None or result.heartbeat_worst <= 25:
                    break
            took = self.assert_figures(result)
        for name, (in_a_row, _, _) in COUNTS.items():
            round_trips = took[name] / 1000 / (2 * ONE_WAY)
            self.assertGreaterEqual(round_trips, in_a_row * 0.99, name)
            self.assertLess(round_trips, in_a_row + 2, name)
        self.assertLess(took["new favourite, after"], took["new favourite, before"])
        self.assert_nothing_left()
        self.assert_steps(self.assert_pictures(pictures, *COUNTS, attempts=STEPS))

    def assert_steps(self, trace):
        """Which steps ran side by side, and how many round trips each took."""
        for name, trips in (("new favourite, before", [1, 1, 4, 4, 1]),
                            ("new favourite, before, autocommit", [1, 1, 2, 2, 1]),
                            ("new favourite, after", [1, 1, 1, 4, 1])):
            steps = sorted((one for (process, _), (_, row) in trace["rows"].items() for one in row
                            if trace["processes"][process] == name), key=lambda one: one.args["index"])
            took = [float(one.end - one.start) / 1e6 / (2 * ONE_WAY) for one in steps]
            for wanted, found in zip(trips, took):
                self.assertGreaterEqual(found, wanted * 0.99, name)
                self.assertLess(found, wanted + 1, name)
            together = 3 if name.endswith("after") else 1
            self.assertLess(max(one.start for one in steps[:together]), min(one.end for one in steps[:together]), name)
            for before, after in zip(steps[together - 1:], steps[together:]):
                self.assertLessEqual(before.end, after.start, name)

    def test_json(self):
        result = self.run_program("--json", record=False)
        self.assert_figures(result)
        parts = self.assert_report(result, "favorite_summoner", *COUNTS)
        self.assertEqual({name: part["attempts"] for name, part in parts.items()}, STEPS)
        self.assertEqual([part["peak_in_flight"] for part in parts.values()], [1, 1, 3] * 3)

    def test_quiet(self):
        result = self.run_program("--quiet", record=False)
        self.assertEqual(result.output.count("\n"), len(COUNTS) + len(FAULTS), result)

    def test_the_writes_are_one_transaction_of_one_connection(self):
        root = pymysql.connect(unix_socket=f"{self.mariadb.folder}/socket", user="root", autocommit=True)
        self.addCleanup(root.close)
        with root.cursor() as cursor:
            cursor.execute("SET GLOBAL log_output = 'TABLE'")
            cursor.execute("TRUNCATE mysql.general_log")
            cursor.execute("SET GLOBAL general_log = ON")
            self.assert_right(self.run_program(record=False))
            cursor.execute("SET GLOBAL general_log = OFF")
            cursor.execute("SELECT thread_id, CONVERT(argument USING utf8mb4) FROM mysql.general_log "
                           "WHERE command_type IN ('Query', 'Execute') ORDER BY event_time")
            sent = {}
            for thread, statement in cursor.fetchall():
                if word := re.match("BEGIN|COMMIT|ROLLBACK|INSERT INTO fanout_(summoner|favorite)|"
                                    "UPDATE fanout_favorite SET deleted_at = NULL", statement):
                    sent.setdefault(thread, []).append(word[0])
        transactions = []
        for words in sent.values():
            for word in words:
                if word == "BEGIN":
                    transactions.append([])
                # Refused by a new trigger, a statement was prepared anew, and is in the log twice.
                elif transactions and transactions[-1][-1:] not in ([word], ["COMMIT"], ["ROLLBACK"]):
                    transactions[-1].append(word)
        record, favorite, restore = ("INSERT INTO fanout_summoner", "INSERT INTO fanout_favorite",
                                     "UPDATE fanout_favorite SET deleted_at = NULL")
        # The new way: the new favourite, and the one without Redis; restored; and a fault at each write.
        self.assertEqual(transactions.count([record, favorite, "COMMIT"]), 2, transactions)
        self.assertEqual(transactions.count([record, favorite, "ROLLBACK"]), 1, transactions)
        self.assertEqual(transactions.count([record, restore, "ROLLBACK"]), 1, transactions)


class Broken(FavoriteSummoner):
    """One line, a status that scripts see, no secret, and nothing left behind."""

    def test_wrong_passwords(self):
        mysql, redis = (re.sub(r":[^/@]*@", ":wrong@", url) for url in (self.mariadb.url, self.redis.url))
        self.assert_one_line(self.run_program(mysql=mysql), 1, "(?i)MySQL at .*access denied")
        self.assert_one_line(self.run_program(redis=redis), 1, "Redis at .*WRONGPASS")
        self.assert_nothing_left()

    def test_dead_servers(self):
        port = free_port()
        self.assert_one_line(self.run_program(mysql=at_port(self.mariadb.url, port)), 1, f"MySQL at .*:{port}.*refused")
        self.assert_one_line(self.run_program(redis=at_port(self.redis.url, port)), 1, f"Redis at .*:{port}.*refused")
        self.assert_nothing_left()

    def test_urls(self):
        for option, url, says in (("--mysql", "mysql://", "--mysql"), ("--redis", "redis://", "--redis"),
                                  ("--redis", "", "--redis is needed"), ("--redis", "rediss://h", "TLS")):
            with self.subTest(url):
                given = {"--mysql": self.mariadb.url, "--redis": self.redis.url, option: url}
                result = experiments.run(PROGRAM, *(word for pair in given.items() for word in pair if all(pair)))
                self.assert_one_line(result, 2, says)

    def test_a_server_that_is_killed_in_mid_run(self):
        for victim in (Redis, MariaDB):
            with self.subTest(victim.name), victim() as server:
                other = self.redis if victim is MariaDB else self.mariadb
                with Network(server.port, ONE_WAY) as way:
                    url = at_port(server.url, way.port)
                    running = experiments.start(PROGRAM, *(("--mysql", url, "--redis", other.url) if victim is MariaDB
                                                           else ("--mysql", other.url, "--redis", url)))
                    told = running.stdout.readline()
                    server.kill()
                    result = experiments.finish(running, told)
                self.assert_one_line(result, 1, f"{'MySQL' if victim is MariaDB else 'Redis'} at ")
        self.assertEqual(self.query("SHOW TABLES"), ())

    def test_what_is_there_already_is_left_as_it_is(self):
        self.query("CREATE TABLE fanout_favorite SELECT 7 AS mine")
        try:
            self.assert_one_line(self.run_program(), 1, "fanout_favorite.* already")
            self.assertEqual(self.query("SELECT mine FROM fanout_favorite"), ((7,),))
        finally:
            self.query("DROP TABLE fanout_favorite")
        with self.redis.connect() as client:
            client.set("fanout:summoner:puuid-1", "mine")
            try:
                self.assert_one_line(self.run_program(), 1, "fanout:summoner:puuid-1.* already")
                self.assertEqual(client.get("fanout:summoner:puuid-1"), "mine")
            finally:
                client.delete("fanout:summoner:puuid-1")
        self.assert_nothing_left()

    def test_help(self):
        result = experiments.run(PROGRAM, "--help")
        self.assertEqual((result.status, result.errors), (0, ""))
        self.assertIn("--redis URL", result.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
