# SPDX-License-Identifier: BSL-1.0
"""The video_snapshot program between its two tables, which are read with clients that are not ours (PyMySQL, boto3)."""

import signal
import time
import unittest
from urllib.parse import quote

from servers import DynamoDB, MariaDB
from video_snapshot import HANG, Snapshot

DATE = "2026-11-22"
TABLE = "VideoTable"


class Tables:
    """The two tables, empty at first, and runs of the program between them; has `mariadb`, `dynamodb`, and its `client`."""

    def make_tables(self):
        with self.mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS VIDEO")
            cursor.execute("CREATE TABLE VIDEO (VIDEO_ID VARCHAR(191) NOT NULL PRIMARY KEY, VIEW BIGINT NULL)")
        for table in self.client.list_tables()["TableNames"]:
            self.client.delete_table(TableName=table)
        self.create_table()

    def create_table(self, name=TABLE, key="id"):
        self.client.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}])

    def add_videos(self, videos):
        with self.mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.executemany("INSERT INTO VIDEO (VIDEO_ID, VIEW) VALUES (%s, %s)", list(videos))

    def add_thousand(self):
        videos = {f"video-{i:04}": i * 37 for i in range(1000)}
        self.add_videos(videos.items())
        return videos

    def mysql_url(self, user=MariaDB.user_name, password=MariaDB.password, host="127.0.0.1", port=None,
                  database=MariaDB.database):
        return f"mysql://{quote(user, safe='')}:{quote(password, safe='')}@{host}:{port or self.mariadb.port}/{database}"

    def start(self, *arguments, mysql=None, dynamodb=None, table=TABLE, date=DATE):
        return Snapshot("--mysql", mysql or self.mysql_url(), "--dynamodb", dynamodb or self.dynamodb.url,
                        "--table", table, "--date", date, *arguments,
                        environment=self.dynamodb.environment(),
                        secrets=(MariaDB.password, quote(MariaDB.password, safe=""), DynamoDB.secret_key,
                                 DynamoDB.access_key))

    def snapshot(self, *arguments, **options):
        return self.start(*arguments, **options).wait()

    def history(self):
        """The whole target table: {id: [(date, view count)…]}."""
        table = {}
        for page in self.client.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True):
            for item in page["Items"]:
                entries = (entry["M"] for entry in item["history"]["L"])
                table[item["id"]["S"]] = [(entry["date"]["S"][:10], self.count_of(entry)) for entry in entries]
        return table

    @staticmethod
    def count_of(entry):
        value = entry["view_count"]
        return None if value.get("NULL") else int(value["N"])

    def recorded(self):
        return self.client.scan(TableName=TABLE, Select="COUNT")["Count"]


class ServersTestCase(Tables, unittest.TestCase):
    """MariaDB and DynamoDB, started once per class; each test has fresh tables."""

    on_disk = False  # whether DynamoDB keeps its data over a restart

    @classmethod
    def setUpClass(cls):
        cls.mariadb = MariaDB().start()
        cls.addClassCleanup(cls.mariadb.stop)
        cls.dynamodb = DynamoDB(on_disk=cls.on_disk).start()
        cls.addClassCleanup(cls.dynamodb.stop)

    def setUp(self):
        self.client = self.dynamodb.client()
        self.addCleanup(self.client.close)
        self.make_tables()

    def assert_recorded(self, run, count):
        """The run says that it recorded `count` videos and missed none."""
        self.assertEqual(run.status, 0, run)
        summary = run.summary
        self.assertEqual((summary.fulfilled, summary.rejected, summary.not_started, summary.doubled),
                         (count, 0, 0, 0), run)

    def assert_history(self, videos, date=DATE):
        """Each video has exactly one entry for the day, with its count; nothing else is there."""
        self.assertEqual(self.history(), {video: [(date, count)] for video, count in videos.items()})

    def wait_until_recorded(self, running, at_least):
        """Returns when the run that goes on has recorded some videos: it is in its middle then."""
        give_up = time.monotonic() + HANG
        while (recorded := self.recorded()) < at_least:
            if running.process.poll() is not None or time.monotonic() > give_up:
                self.fail(f"was over before {at_least} videos were recorded: {running.wait()}")
        return recorded

    def assert_one_line(self, run, *says):
        """A failure that a person can read: one line, with the words that matter, and a status that scripts see."""
        self.assertNotIn(run.status, (0, -signal.SIGSEGV, -signal.SIGABRT), run)
        self.assertGreater(run.status, 0, run)
        lines = [line for line in run.errors.splitlines() if line.strip()]
        self.assertEqual(len(lines), 1, run)
        for words in says:
            self.assertRegex(lines[0], words)
