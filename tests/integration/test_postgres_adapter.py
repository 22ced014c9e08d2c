# SPDX-License-Identifier: BSL-1.0
"""What the PostgreSQL adapter of the examples survives: no server, a killed one, a wrong password, a cancelled statement.

postgres_check (tests/adapters) is built with the address sanitizer: a leak or a use after free fails the run.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest
from urllib.parse import quote

from experiments import Result
from processes import end_with_parent
from servers import PostgreSQL, free_port

CHECK = os.environ["FANOUT_POSTGRES_CHECK"]
# No run of these tests comes near this; one that reaches it hangs.
HANG = 120


class SecurePostgreSQL(PostgreSQL):
    """Takes connections by TLS, with a certificate for `localhost` that it has signed itself."""

    def prepare(self):
        super().prepare()
        self.certificate = self.folder / "certificate"
        with open(self.log, "ab") as log:
            if self.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{self.folder}/key",
                         "-out", str(self.certificate)], stdout=log, stderr=log).wait(60) != 0:
                raise RuntimeError("no certificate:\n" + self.log.read_text(errors="replace"))

    def command(self):
        return [*super().command(), "-c", "ssl=on", "-c", f"ssl_cert_file={self.certificate}", "-c",
                f"ssl_key_file={self.folder}/key"]


def setUpModule():
    PostgresAdapter.server = PostgreSQL().start()
    unittest.addModuleCleanup(PostgresAdapter.server.stop)


class PostgresAdapter(unittest.TestCase):
    def start(self, command, url=None, **environment):
        running = subprocess.Popen([CHECK, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, bufsize=1, preexec_fn=end_with_parent,
                                   env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/nonexistent",
                                        "FANOUT_POSTGRES_URL": url or self.server.url, **environment})
        for ending in (running.stdin.close, running.stdout.close, running.stderr.close, running.wait, running.kill):
            self.addCleanup(ending)
        return running

    def finish(self, running):
        """The lines that are left of its output, when it has ended well."""
        try:
            output, errors = running.communicate(timeout=HANG)
        except subprocess.TimeoutExpired:
            running.kill()
            raise AssertionError(f"hangs: {running.communicate()}") from None
        for secret in (PostgreSQL.password, quote(PostgreSQL.password, safe="")):
            self.assertNotIn(secret, output + errors)
        self.assertEqual((running.returncode, errors), (0, ""), output)
        if running.args[-1] != "abandoned":
            self.assertLessEqual(Result(running.returncode, output, errors).heartbeat_late, 1, output)
        return [line for line in output.splitlines() if not line.startswith("heartbeat: ")]

    def run_check(self, command, url=None, **environment):
        return self.finish(self.start(command, url, **environment))

    def url(self, user=None, password=None, host="127.0.0.1", port=None, database=None, query=""):
        server = self.server
        password = quote(server.password if password is None else password, safe="")
        return (f"postgresql://{user or server.user_name}:{password}@{host}:{port or server.port}/"
                f"{database or server.database}{query}")

    def assert_refused(self, lines, *says):
        """It did not connect, with SQLSTATE 08001 and these words."""
        self.assertRegex(lines[0], r"^connect: .*SQLSTATE 08001\)$")
        for words in says:
            self.assertRegex(lines[0], words)
        self.assertEqual(lines[1:2], ["the session is closed"])

    def backends(self):
        """How many connections the user of the tests has, but ours."""
        with contextlib.closing(self.server.connect_as_superuser()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [self.server.user_name])
            return cursor.fetchone()[0]

    def assert_all_closed(self):
        give_up = time.monotonic() + 10
        while self.backends() > 0:
            self.assertLess(time.monotonic(), give_up, "the server still has connections")
            time.sleep(0.01)

    @contextlib.contextmanager
    def listener(self, reply=b""):
        """A port that takes connections and answers each once, or, without a reply, never."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            taken = []

            def take():
                with contextlib.suppress(OSError):
                    while True:
                        taken.append(listening.accept()[0])
                        if reply:
                            taken[-1].recv(1000)
                            taken[-1].sendall(reply)

            threading.Thread(target=take, daemon=True).start()
            yield listening.getsockname()[1]
            listening.shutdown(socket.SHUT_RDWR)
            for connection in taken:
                connection.close()


class Connecting(PostgresAdapter):
    def test_it_connects_by_address_and_by_name(self):
        connected = ["connect: done", "the session is open", "tls: f"]
        self.assertEqual(self.run_check("connect"), connected)
        self.assertEqual(self.run_check("connect", self.url(host="localhost")), connected)
        self.assert_all_closed()

    def test_the_password_may_come_from_the_environment(self):
        url = f"postgresql://{self.server.user_name}@127.0.0.1:{self.server.port}/{self.server.database}"
        self.assert_refused(self.run_check("connect", url), "no password supplied")
        self.assertEqual(self.run_check("connect", url, PGPASSWORD=self.server.password)[0], "connect: done")

    def test_a_server_that_is_down(self):
        port = free_port()
        self.assert_refused(self.run_check("connect", self.url(port=port)), "Connection refused", f"127.0.0.1:{port}")

    def test_a_name_that_nobody_has(self):
        self.assert_refused(self.run_check("connect", self.url(host="nowhere.invalid")), "cannot resolve")

    def test_a_wrong_password(self):
        lines = self.run_check("connect", self.url(password="wr ong"))
        self.assert_refused(lines, "password authentication failed")
        self.assertNotIn("wr ong", "".join(lines))
        self.assert_all_closed()

    def test_a_database_that_is_not_there(self):
        self.assert_refused(self.run_check("connect", self.url(database="nowhere")), "nowhere")

    def test_a_server_that_never_answers(self):
        with self.listener() as port:
            lines = self.run_check("silent", self.url(port=port))
        self.assert_refused(lines, "no answer within 200 ms")
        self.assertEqual(lines[2], "files: 0 more")

    def test_a_server_that_is_no_postgresql(self):
        with self.listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
            self.assert_refused(self.run_check("connect", self.url(port=port)))

    def test_a_thousand_times(self):
        self.assertEqual(self.run_check("cycles"), ["files: 0 more"])
        self.assert_all_closed()


class Secure(PostgresAdapter):
    """By TLS, which is also when libpq needs to read before it can write."""

    @classmethod
    def setUpClass(cls):
        cls.server = SecurePostgreSQL().start()
        cls.addClassCleanup(cls.server.stop)

    def test_the_certificate_is_verified_where_the_url_says_so(self):
        root = f"&sslrootcert={self.server.certificate}"
        for host, query, right in (("localhost", "?sslmode=verify-full" + root, True),
                                   ("127.0.0.1", "?sslmode=verify-ca" + root, True),
                                   ("127.0.0.1", "?sslmode=require", True),
                                   ("127.0.0.1", "?sslmode=verify-full" + root, False),  # another host's
                                   ("localhost", "?sslmode=verify-full", False)):  # nobody vouches for it
            with self.subTest(host=host, query=query):
                lines = self.run_check("connect", self.url(host=host, query=query))
                if right:
                    self.assertEqual(lines, ["connect: done", "the session is open", "tls: t"])
                else:
                    self.assert_refused(lines, "certificate")

    def test_statements_and_cancellations(self):
        url = self.url(host="localhost", query=f"?sslmode=verify-full&sslrootcert={self.server.certificate}")
        self.assertIn("5000000 bytes came back", self.run_check("values", url))
        self.assertEqual(self.run_check("storm", url), ["files: 0 more"])

    def test_a_server_without_tls_is_refused(self):
        url = PostgresAdapter.server.url
        self.assert_refused(self.run_check("connect", url + "?sslmode=require"), "does not support SSL")


class Statements(PostgresAdapter):
    def test_values_go_and_come_as_they_are(self):
        self.assertEqual(self.run_check("values"), [
            "[42]", "[0.1]", "[t]", "[it's \"비밀\" $1; DROP]", "NULL", "[]", "[-9223372036854775808]", "1 row",
            "5000000 bytes came back", "o'clock \\", "a text for PostgreSQL holds no zero byte", "the session is open"])

    def test_an_error_of_a_statement_leaves_the_connection_as_it_was(self):
        expected = ["before connect: .*SQLSTATE 08003", "BEGIN: done", 'no such column: .*"nothing".*SQLSTATE 42703',
                    "in a failed transaction: .*SQLSTATE 25P02", "ROLLBACK: done", "a warning: done",
                    "two statements: .*SQLSTATE 42601", "after these: done", "compares equal", "COPY: .*SQLSTATE 0A000",
                    "the session is closed"]
        lines = self.run_check("errors")
        self.assertEqual(len(lines), len(expected), lines)
        for line, pattern in zip(lines, expected):
            self.assertRegex(line, pattern)

    def test_it_runs_one_operation_at_a_time(self):
        lines = self.run_check("busy")
        self.assertRegex(lines[0], "^second: .*one operation at a time")
        self.assertRegex(lines[1], "^connect: .*one operation at a time")
        self.assertEqual(lines[2:], ["first: done", "third: done"])

    def test_a_cancelled_statement_closes_the_connection_which_is_not_used_again(self):
        lines = self.run_check("cancelled")
        self.assertRegex(lines[0], "^sleep: Operation canceled")
        self.assertEqual(lines[1], "the session is closed")
        self.assertRegex(lines[2], "^again: .*SQLSTATE 08003")
        # The server goes on with the statement, and then notices that nobody is there.
        self.assertEqual(lines[3:], ["backends: 1", "backends: 0", "another backend"])

    def test_cancelled_at_any_moment_it_leaks_nothing_and_mixes_up_no_answers(self):
        self.assertEqual(self.run_check("storm"), ["files: 0 more"])
        self.assert_all_closed()

    def test_a_context_that_ends_in_the_middle_of_a_statement(self):
        self.assertEqual(self.run_check("abandoned"), ["asleep"])


class Killed(PostgresAdapter):
    """The server, or a backend of it, is killed in the middle of a run."""

    def setUp(self):
        self.server = PostgreSQL().start()
        self.addCleanup(self.server.stop)

    def backend(self, running):
        told = re.fullmatch(r"backend (\d+)\n", running.stdout.readline())
        self.assertTrue(told)
        return int(told[1])

    def terminate(self, pid):
        with contextlib.closing(self.server.connect_as_superuser()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])

    def test_the_server(self):
        running = self.start("killed")
        self.backend(running)
        self.server.kill()
        lines = self.finish(running)
        self.assertRegex(lines[0], "^sleep: .*SQLSTATE (08006|57P0[0-9])")
        self.assertEqual(lines[1], "the session is closed")
        self.assertRegex(lines[2], "^again: .*SQLSTATE 08003")
        self.assertRegex(lines[3], "^reconnect: .*refused.*SQLSTATE 08001")

    def test_the_backend(self):
        running = self.start("killed")
        self.terminate(self.backend(running))
        lines = self.finish(running)
        self.assertRegex(lines[0], "^sleep: .*terminating connection.*SQLSTATE 57P01")
        self.assertEqual(lines[1], "the session is closed")
        self.assertRegex(lines[2], "^again: .*SQLSTATE 08003")
        self.assertEqual(lines[3:], ["reconnect: done"])

    def test_the_backend_of_an_idle_session(self):
        for how in (self.terminate, lambda pid: os.kill(pid, signal.SIGKILL)):
            running = self.start("killed_idle")
            how(self.backend(running))
            time.sleep(0.1)
            running.stdin.write("\n")
            lines = self.finish(running)
            self.assertRegex(lines[0], "^after: .*SQLSTATE (08006|57P01)")
            self.assertEqual(lines[1], "the session is closed")


if __name__ == "__main__":
    unittest.main(verbosity=2)
