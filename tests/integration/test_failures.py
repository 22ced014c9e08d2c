# SPDX-License-Identifier: BSL-1.0
"""What goes wrong on the way to the servers: one clear line, a status that scripts see, no hang, no secret."""

import unittest

from servers import free_port
from snapshot import ServersTestCase


class Unreachable(ServersTestCase):
    def test_mysql_wrong_password(self):
        self.assert_one_line(self.snapshot(mysql=self.mysql_url(password="wrong")), "(?i)access denied")

    def test_mysql_unknown_user(self):
        self.assert_one_line(self.snapshot(mysql=self.mysql_url(user="stranger")), "(?i)access denied")

    def test_mysql_unknown_database(self):
        self.assert_one_line(self.snapshot(mysql=self.mysql_url(database="nowhere")), "nowhere")

    def test_mysql_unknown_table(self):
        with self.mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE VIDEO")
        self.assert_one_line(self.snapshot(), "VIDEO")

    def test_mysql_refused(self):
        port = free_port()
        self.assert_one_line(self.snapshot(mysql=self.mysql_url(port=port)), "(?i)refused", str(port))

    def test_mysql_unknown_host(self):
        self.assert_one_line(self.snapshot(mysql=self.mysql_url(host="no-such-host.invalid")), "no-such-host.invalid")

    def test_dynamodb_unknown_table(self):
        self.add_videos([("a", 1)])
        self.assert_one_line(self.snapshot(table="Nowhere"), "Nowhere")

    def test_dynamodb_refused(self):
        self.add_videos([("a", 1)])
        port = free_port()
        self.assert_one_line(self.snapshot(dynamodb=f"http://127.0.0.1:{port}"), "(?i)refused", str(port))

    def test_dynamodb_unknown_host(self):
        self.add_videos([("a", 1)])
        self.assert_one_line(self.snapshot(dynamodb="http://no-such-host.invalid:8000"), "no-such-host.invalid")

    def test_not_a_mysql_server(self):
        # DynamoDB speaks HTTP and waits to be spoken to, as MySQL's client does: both wait, and one must give up.
        run = self.snapshot(mysql=self.mysql_url(port=self.dynamodb.port))
        self.assert_one_line(run)

    def test_not_a_dynamodb_server(self):
        self.add_videos([("a", 1)])
        self.assert_one_line(self.snapshot(dynamodb=f"http://127.0.0.1:{self.mariadb.port}"))

    def test_no_credentials(self):
        self.add_videos([("a", 1)])
        environment = self.dynamodb.environment
        self.dynamodb.environment = dict
        self.addCleanup(setattr, self.dynamodb, "environment", environment)
        self.assert_one_line(self.snapshot(), "AWS_ACCESS_KEY_ID")

    def test_a_thousand_rejections_are_summed_up(self):
        # The table is there when the run begins, but every write is refused: its key has another name.
        self.add_thousand()
        self.create_table("OtherKey", key="pk")
        run = self.snapshot("--strategy", "settled", "--limit", 64, table="OtherKey")
        self.assertGreater(run.status, 0, run)
        self.assertLess(len(run.output.splitlines()) + len(run.errors.splitlines()), 40, run)


if __name__ == "__main__":
    unittest.main(verbosity=2)
