# SPDX-License-Identifier: BSL-1.0
"""Runs the video_snapshot program, and looks at its two tables with clients that are not ours (PyMySQL, boto3)."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import time
import unittest
from urllib.parse import quote

from servers import DynamoDB, MariaDB, end_with_parent

PROGRAM = os.environ["FANOUT_VIDEO_SNAPSHOT"]
# No run of these tests comes near this; one that reaches it hangs.
HANG = 120
DATE = "2026-11-22"
TABLE = "VideoTable"

SUMMARY = re.compile(
    r"snapshot: (\d+) fulfilled, (\d+) rejected, (\d+) not started, (\d+) doubled; ([\d.]+) s, parallelism ([\d.]+)")


@dataclasses.dataclass
class Summary:
    fulfilled: int
    rejected: int
    not_started: int
    doubled: int
    seconds: float
    parallelism: float


@dataclasses.dataclass
class Run:
    status: int
    output: str
    errors: str

    @property
    def summary(self):
        """The last line of the output, which must be the summary."""
        lines = self.output.splitlines()
        found = SUMMARY.fullmatch(lines[-1]) if lines else None
        if not found:
            raise AssertionError(f"the last line is no summary: {self}")
        return Summary(*(int(n) for n in found.groups()[:4]), *(float(n) for n in found.groups()[4:]))

    @property
    def report(self):
        """With --json: the object on the line before the summary."""
        return json.loads(self.output.splitlines()[-2])


class Snapshot:
    """One process of the program. `secrets` must never show up in what it prints."""

    def __init__(self, *arguments, environment=None, secrets=()):
        self.secrets = secrets
        self.process = subprocess.Popen(
            [PROGRAM, *map(str, arguments)], text=True, errors="replace", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=end_with_parent,
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(environment or {})})

    def wait(self):
        try:
            output, errors = self.process.communicate(timeout=HANG)
        except subprocess.TimeoutExpired:
            self.process.kill()
            output, errors = self.process.communicate()
            raise AssertionError(f"hangs: {output}{errors}") from None
        for secret in self.secrets:
            if secret in output + errors:
                raise AssertionError("a secret was printed")
        return Run(self.process.returncode, output, errors)

    def signal(self, number):
        self.process.send_signal(number)


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
