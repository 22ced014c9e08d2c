# SPDX-License-Identifier: BSL-1.0
"""100 people at once on one item of DynamoDB: read, push and write loses them; ADD, list_append and a condition do not."""

import unittest

import trace_format
from experiments import PROGRAM, ExperimentTest, Pictures, finish, run, start
from servers import DynamoDB, ThrottledTable, free_port

TABLE = "fanout_favorites"
OPTIMISTIC = "revision and condition, "
DRAWN = ("read, push, write", "ADD to a set", "list_append", "list_append, replies lost", "ADD to a set, replies lost",
         *(OPTIMISTIC + how for how in ("all at once", "exponential backoff", "4 at once", "one at a time")),
         "read, push, write, one at a time")


class FavoritePeople(ExperimentTest):
    @classmethod
    def setUpClass(cls):
        cls.dynamodb = DynamoDB().start()
        cls.addClassCleanup(cls.dynamodb.stop)
        cls.client = cls.dynamodb.client()
        cls.addClassCleanup(cls.client.close)

    def arguments(self, *more, url=None):
        return (PROGRAM, "--dynamodb", url or self.dynamodb.url, *more)

    def run_it(self, *more, url=None, record=False):
        return run(*self.arguments(*more, url=url), env=self.dynamodb.environment(), record=record)

    def tables(self):
        return self.client.list_tables()["TableNames"]

    def check(self, result, writes):
        self.assert_right(result)
        self.assertEqual(self.tables(), [])

        def ours(name):
            return int(result.ours("favorite_people: " + name))

        self.assertLess(ours("read, push, write: kept"), writes)
        self.assertEqual(ours("ADD to a set: kept"), writes)
        self.assertEqual(ours("list_append: kept"), writes)
        lost = " where each tenth reply is lost and the write retried: entries"
        self.assertEqual(ours("list_append," + lost), writes + writes // 10)
        self.assertEqual(ours("ADD to a set," + lost), writes)
        for how in ("all at once", "exponential backoff", "4 at once", "one at a time"):
            self.assertEqual(ours(OPTIMISTIC + how + ": kept"), writes)
        # Each write that is done can turn away those that are in flight beside it, and no others.
        self.assertIn(ours(OPTIMISTIC + "all at once: attempts"), range(writes + 1, writes * (writes + 1) // 2 + 1))
        self.assertIn(ours(OPTIMISTIC + "exponential backoff: attempts"), range(writes, writes * (writes + 1) // 2 + 1))
        self.assertIn(ours(OPTIMISTIC + "4 at once: attempts"), range(writes, 4 * writes + 1))
        self.assertEqual(ours(OPTIMISTIC + "one at a time: attempts"), writes)
        self.assertEqual(ours("read, push, write, one at a time: kept"), writes)

    def test_as_in_the_article(self):
        pictures = Pictures(self)
        result = self.run_it("--json", "--quiet", *pictures.options, record=True)
        self.check(result, 100)
        parts = self.assert_report(result, "favorite_people", *DRAWN)
        self.assert_pictures(pictures, *DRAWN, attempts={name: parts[name]["attempts"] for name in DRAWN})
        self.assertEqual([parts[name]["retries"] for name in DRAWN if "lost" in name], [10, 10])
        self.assertEqual({parts[name]["peak_in_flight"] for name in DRAWN if "one at a time" in name}, {1})
        articles = {name: article for name, article, _ in result.rows}
        self.assertEqual(articles["favorite_people: read, push, write: kept"], "1")
        self.assertEqual(articles["favorite_people: ADD to a set: kept"], "100")

    def test_with_another_number_of_writes_and_of_connections(self):
        for connections in (1, 4, 200):
            with self.subTest(connections=connections):
                self.check(self.run_it("--writes", 20, "--connections", connections), 20)

    def test_a_table_that_is_not_ours_is_left_alone(self):
        self.client.create_table(
            TableName=TABLE, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
        self.addCleanup(self.client.delete_table, TableName=TABLE)
        self.assert_one_line(self.run_it(), 1, f"there is a table '{TABLE}' already", "--table")
        self.assertEqual(self.tables(), [TABLE])

    def test_after_a_failure_the_table_is_deleted(self):
        with ThrottledTable(self.dynamodb, 1, 1) as throttled:
            result = self.run_it(url=throttled.url)
            self.assertGreater(throttled.throttled(), 0)
        self.assert_one_line(result, 1, "ProvisionedThroughputExceededException")
        self.assertEqual(result.rows, [])
        self.assertEqual(self.tables(), [])

    def test_no_server(self):
        port = free_port()
        self.assert_one_line(self.run_it(url=f"http://127.0.0.1:{port}"), 1, "Connection refused$", str(port))

    def test_a_server_killed_in_mid_run(self):
        pictures = Pictures(self)
        with DynamoDB() as server:
            running = start(*self.arguments(*pictures.options, url=server.url), env=server.environment())
            said = running.stdout.readline()
            server.kill()
            result = finish(running, said, record=False)
        self.assert_one_line(result, 1, "DynamoDB at 127.0.0.1")
        # As far as it came.
        self.assertEqual(trace_format.check(pictures.trace)["processes"][1], DRAWN[0])

    def test_wrong_arguments(self):
        no_url = {name: value for name, value in self.dynamodb.environment().items() if name != "FANOUT_DYNAMODB_URL"}
        self.assert_one_line(run(PROGRAM, env=no_url), 2, "--dynamodb", "FANOUT_DYNAMODB_URL")
        self.assert_one_line(run(*self.arguments()), 2, "AWS_ACCESS_KEY_ID")
        self.assert_one_line(self.run_it(url="mysql://x"), 2, "http://")
        self.assert_one_line(self.run_it("--writes", "1"), 2, "--writes")


if __name__ == "__main__":
    unittest.main(verbosity=2)
