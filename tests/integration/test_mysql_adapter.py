# SPDX-License-Identifier: BSL-1.0
"""What the MySQL adapter of the examples survives: no server, a killed one, a wrong password, a cancelled operation.

mysql_check (tests/adapters) is built with the address and undefined behaviour sanitizers: a leak, a use after free and
the like fail the run.
"""

import os
import re
import socket
import threading
import time
import unittest

import experiments
from experiments import ExperimentTest
from servers import MariaDB, free_port

CHECK = os.environ["FANOUT_MYSQL_CHECK"]
# The server looks every 5 s whether the client of a statement that sleeps is still there.
UNTIL_GONE = 20
CLOSED = r"later: MySQL at 127\.0\.0\.1:\d+: the session has no connection"


def setUpModule():
    MysqlAdapter.server = MariaDB().start()
    unittest.addModuleCleanup(MysqlAdapter.server.stop)


class MysqlAdapter(ExperimentTest):
    def start(self, part, url=None):
        running = experiments.start(CHECK, part, "--mysql", url or self.server.url)
        for end in (running.stdout, running.stderr):
            self.addCleanup(end.close)
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        return running

    def run_check(self, part, url=None):
        return experiments.finish(self.start(part, url))

    def address(self, port):
        return self.server.url.replace(f":{self.server.port}/", f":{port}/")

    def query(self, sql, server=None):
        with (server or self.server).connect() as mysql, mysql.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def connections(self, server=None):
        """The ids that SHOW PROCESSLIST has, but for our own."""
        return {row[0] for row in self.query("SHOW PROCESSLIST", server) if row[7] != "SHOW PROCESSLIST"}

    def until(self, is_so, message, seconds=UNTIL_GONE):
        give_up = time.monotonic() + seconds
        while not is_so():
            self.assertLess(time.monotonic(), give_up, message)
            time.sleep(0.02)


class Connecting(MysqlAdapter):
    def test_it_connects_and_asks(self):
        result = self.run_check("ask")
        self.assert_right(result)
        self.assertIn("answer: 42\n", result.output)

    def test_a_server_that_is_down(self):
        port = free_port()
        self.assert_one_line(self.run_check("ask", self.address(port)), 1, f":{port}: Connection refused$")

    def test_a_wrong_password(self):
        url = self.server.url.replace("@", "x@")
        self.assert_one_line(self.run_check("ask", url), 1, "Access denied for user 'snapshot'")

    def test_a_server_that_says_nothing_is_given_up(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            before = time.monotonic()
            self.assert_one_line(self.run_check("ask", self.address(port)), 1, f":{port}: Connection timed out$")
            self.assertLess(time.monotonic() - before, 10)

    def test_a_server_that_hangs_up_or_speaks_nonsense(self):
        for words in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\x00\x00\x00\x0a"):
            with self.subTest(words), socket.create_server(("127.0.0.1", 0)) as server:
                def answer():
                    client, _ = server.accept()
                    with client:
                        client.sendall(words)

                answering = threading.Thread(target=answer)
                answering.start()
                result = self.run_check("ask", self.address(server.getsockname()[1]))
                answering.join()
                self.assert_one_line(result, 1, "MySQL at 127")


class CutOff(MysqlAdapter):
    """The connection ends under a statement: the session says so, stays closed, and connects again when it is told to."""

    def run_cut_off(self, server, end):
        running = self.start("cut_off", server.url)
        told = running.stdout.readline()
        connection = int(re.fullmatch(r"connection: (\d+)\n", told)[1])
        asleep = f"SELECT 1 FROM information_schema.processlist WHERE id = {connection} AND info LIKE '%SLEEP%'"
        self.until(lambda: self.query(asleep, server), "the statement does not run")
        end(connection)
        told += running.stdout.readline() + running.stdout.readline()
        self.assertRegex(told, f"(?m)^cut off: MySQL at 127.*: (End of file|Connection reset by peer)\n{CLOSED}")
        if not server.process:
            server.start()
        result = experiments.finish(running, told)
        self.assert_right(result)
        self.assertIn("connected again: 42\n", result.output)

    def test_the_server_is_killed(self):
        with MariaDB() as server:
            self.run_cut_off(server, lambda _: server.kill())

    def test_the_server_is_stopped(self):
        def stop(_):
            server.process.terminate()
            server.process.wait(30)
            server.process = None

        with MariaDB() as server:
            self.run_cut_off(server, stop)

    def test_the_connection_is_killed(self):
        self.run_cut_off(self.server, lambda connection: self.query(f"KILL {connection}"))


class InMidFlight(MysqlAdapter):
    def test_a_cancelled_operation_closes_its_connection_for_good(self):
        result = self.run_check("cancelled")
        self.assert_right(result)
        for how, why in (("execute", "Operation canceled"), ("prepared", "Operation canceled"),
                         ("read", "Operation canceled"), ("time limit", "Connection timed out"),
                         ("sink", "the sink has enough"), ("KILL", "Connection was killed")):
            self.assertRegex(result.output, rf"(?m)^{how}: .*{why}.*\n{CLOSED}")
        ids = {int(found) for found in re.findall(r"(?m)^connection: (\d+)$", result.output)}
        self.assertEqual(len(ids), 6, result)
        self.until(lambda: not ids & self.connections(), "the server still has the connections")

    def test_an_error_of_the_server_and_a_second_operation_leave_the_connection_as_it_was(self):
        result = self.run_check("answered")
        self.assert_right(result)
        self.assertRegex(result.output, "(?m)^refused: .*nowhere' doesn't exist")
        self.assertRegex(result.output, "(?m)^beside: .* is in the middle of one: ")
        self.assertIn("the same connection: yes\n", result.output)


class Cycles(MysqlAdapter):
    def test_a_thousand_connections_leave_nothing_behind(self):
        def made():
            return int(self.query("SHOW GLOBAL STATUS LIKE 'Connections'")[0][1])

        self.until(lambda: not self.connections(), "connections of other tests")
        before = made()
        result = self.run_check("cycles")
        self.assert_right(result)
        self.assertRegex(result.output, r"(?m)^open files: (\d+) after the first, \1 after 1000$")
        self.assertGreaterEqual(made() - before, 1000)
        self.until(lambda: not self.connections(), "connections of the program")


if __name__ == "__main__":
    unittest.main(verbosity=2)
