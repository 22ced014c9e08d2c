# SPDX-License-Identifier: BSL-1.0
"""What the Redis adapter of the examples survives: no server, a killed one, a wrong password, a cancelled command.

redis_check (tests/adapters) is built with the address sanitizer: a leak or a use after free fails the run.
"""

import contextlib
import os
import re
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from servers import MariaDB, Redis, end_with_parent, free_port

CHECK = os.environ["FANOUT_REDIS_CHECK"]
# No run of these tests comes near this; one that reaches it hangs.
HANG = 120


def setUpModule():
    RedisAdapter.server = Redis().start()
    unittest.addModuleCleanup(RedisAdapter.server.stop)


class RedisAdapter(unittest.TestCase):
    def start(self, part, url=None, *more, stdin=subprocess.DEVNULL):
        errors = tempfile.TemporaryFile("w+")
        running = subprocess.Popen([CHECK, part, url or self.server.url, *map(str, more)], stdin=stdin,
                                   stdout=subprocess.PIPE, stderr=errors, text=True, preexec_fn=end_with_parent)
        running.errors = errors
        watch = threading.Timer(HANG, running.kill)
        watch.start()
        for clean_up in (errors.close, running.stdout.close, running.wait, running.kill, watch.cancel):
            self.addCleanup(clean_up)
        return running

    def finish(self, running, status=0, late=1):
        """The lines that are left of its output, or what it complained of, when it has ended with that status.

        At most so many beats were late.
        """
        output = running.stdout.read()
        running.wait()
        running.errors.seek(0)
        errors = running.errors.read()
        self.assertNotIn(MariaDB.password, output + errors)
        self.assertEqual(running.returncode, status, output + errors)
        if status != 0:
            return errors
        self.assertEqual(errors, "")
        for times in re.findall(r"^heartbeat: .*; (\d+) by more than 100 ms", output, re.MULTILINE):
            self.assertLessEqual(int(times), late, output)
        return output.splitlines()

    def run_check(self, part, url=None, *more, **options):
        lines = self.finish(self.start(part, url, *more), **options)
        if options.get("status", 0) == 0 and part != "abandons":
            self.assertRegex(lines[-1], "^heartbeat: ")
        return lines

    def connected(self):
        """Our own connection may not be among those that are counted."""
        with self.server.connect() as client:
            return len([c for c in client.client_list() if c["cmd"].upper() != "CLIENT|LIST"])

    def assert_all_closed(self):
        give_up = time.monotonic() + 10
        while self.connected() > 0:
            self.assertLess(time.monotonic(), give_up, "the server still has connections")
            time.sleep(0.01)


class Connecting(RedisAdapter):
    def test_it_connects(self):
        self.assertEqual(self.run_check("connects")[0], "connected")
        self.assertEqual(self.run_check("connects", self.server.url.replace("127.0.0.1", "localhost"))[0], "connected")
        self.assertEqual(self.run_check("connects", self.server.url.replace("//:", "//default:"))[0], "connected")
        self.assert_all_closed()

    def test_a_server_that_is_down(self):
        port = free_port()
        said = self.run_check("connects", f"redis://:p%40ss@127.0.0.1:{port}/0")[0]
        self.assertRegex(said, f"^Redis at 127.0.0.1:{port}: Connection refused")

    def test_a_name_that_nobody_has(self):
        said = self.run_check("connects", "redis://nowhere.invalid")[0]
        self.assertRegex(said, "^cannot resolve the host of Redis at nowhere.invalid:6379")

    def test_a_wrong_password_and_none(self):
        host = f"127.0.0.1:{self.server.port}"
        for user, says in ((":wr%20ong@", "WRONGPASS"), ("nobody:wr%20ong@", "WRONGPASS"), ("", "NOAUTH")):
            with self.subTest(user):
                said = self.run_check("connects", f"redis://{user}{host}")[0]
                self.assertRegex(said, f"^Redis at {host}: {says} ")
                self.assertNotIn("wr ong", said)
        self.assert_all_closed()

    def test_a_database_that_is_not_there(self):
        self.assertRegex(self.run_check("connects", self.server.url + "00123")[0], "index is out of range")
        self.assert_all_closed()

    def test_a_server_that_knows_no_auth_is_not_quoted(self):
        renamed = "ERR unknown command 'AUTH', with args beginning with: 's3cret' \r\n"
        with self.listener(lambda talk: (talk.recv(1000), talk.sendall(b"-" + renamed.encode()))) as port:
            said = self.run_check("connects", f"redis://:s3cret@127.0.0.1:{port}")[0]
        self.assertIn("knows no AUTH", said)
        self.assertNotIn("s3cret", said)

    def test_a_server_that_never_answers(self):
        with self.listener(lambda talk: talk.recv(1)) as port:
            said = self.run_check("connects", f"redis://:pass@127.0.0.1:{port}")[0]
        self.assertRegex(said, f"^Redis at 127.0.0.1:{port}: .*[Tt]imed out")

    def test_a_server_that_is_no_redis(self):
        with self.listener(lambda talk: talk.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port:
            said = self.run_check("connects", f"redis://127.0.0.1:{port}")[0]
        self.assertRegex(said, f"^Redis at 127.0.0.1:{port}: Protocol error")

    def test_a_server_that_is_full(self):
        full = b"-ERR max number of clients reached\r\n"
        with self.listener(lambda talk: talk.sendall(full), close=True) as port:
            said = self.run_check("connects", f"redis://:pass@127.0.0.1:{port}")[0]
        self.assertRegex(said, "max number of clients|closed the connection|reset by peer")

    def test_urls_that_are_refused(self):
        for url, says in (("rediss://h", "TLS"), ("http://h", "redis://"), ("redis://h/x", "database"),
                          ("redis://u@h", "password"), ("redis://h?a=b", "parameters")):
            with self.subTest(url):
                self.assertIn(says, self.run_check("connects", url, status=1))

    @contextlib.contextmanager
    def listener(self, talk, close=False):
        """A server of one connection, which it keeps open until the end, unless it is told to close it."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            kept = []

            def serve():
                with contextlib.suppress(OSError):
                    kept.append(listening.accept()[0])
                    talk(kept[0])
                    if close:
                        kept[0].close()

            thread = threading.Thread(target=serve)
            thread.start()
            try:
                yield listening.getsockname()[1]
            finally:
                thread.join(10)
                for connection in kept:
                    connection.close()


class Losing(RedisAdapter):
    def test_a_server_that_is_killed_while_it_works_and_comes_back(self):
        with Redis() as server:
            running = self.start("loses", server.url)
            self.assertEqual(running.stdout.readline(), "working\n")
            time.sleep(0.1)
            server.kill()
            lost = running.stdout.readline()
            self.assertRegex(lost, "^lost: Redis at .*(closed the connection|reset by peer|Broken pipe)")
            then = running.stdout.readline()
            self.assertRegex(then, "^then: Redis at .*(closed the connection|reset by peer|Broken pipe)")
            server.start()
            self.assertEqual(running.stdout.readline(), "back\n")
            self.finish(running)

    def test_a_server_that_is_killed_while_nothing_is_asked(self):
        with Redis() as server:
            running = self.start("idles", server.url)
            self.assertEqual(running.stdout.readline(), "working\n")
            server.kill()
            self.assertRegex(self.finish(running)[0], "^lost: Redis at .*(closed the connection|reset by peer)")

    def test_a_connection_that_is_killed(self):
        running = self.start("idles")
        self.assertEqual(running.stdout.readline(), "working\n")
        with self.server.connect() as client:
            for other in client.client_list():
                if other["cmd"] == "select":
                    client.client_kill_filter(_id=other["id"])
        self.assertRegex(self.finish(running)[0], "^lost: Redis at .*(closed the connection|reset by peer)")


    def test_a_write_to_a_connection_that_was_reset_does_not_end_the_program(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            asks, answers = os.pipe()
            running = self.start("writes", f"redis://127.0.0.1:{listening.getsockname()[1]}", stdin=asks)
            os.close(asks)
            talk = listening.accept()[0]
            talk.recv(1000)
            talk.sendall(b"+OK\r\n")
            self.assertEqual(running.stdout.readline(), "working\n")
            # The end of the stream, then a reset: what is written now would raise SIGPIPE.
            talk.shutdown(socket.SHUT_WR)
            talk.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            talk.close()
            os.close(answers)
            # It blocks its event loop once, on purpose, so as not to see the end of the stream before it writes.
            lines = self.finish(running, late=2)
            self.assertRegex(lines[0], "^lost: Redis at .*(Broken pipe|closed the connection)")


class Using(RedisAdapter):
    def test_replies_errors_and_long_pipelines(self):
        lines = self.run_check("replies")
        self.assertRegex(lines[0], "^error: Redis at .*: WRONGTYPE ")
        self.assertRegex(lines[1], "^error: Redis at .*: WRONGTYPE ")
        self.assertEqual(lines[2], "replies are right")

    def test_a_cancelled_command_closes_its_connection_for_good(self):
        lines = self.run_check("cancels")
        self.assertRegex(lines[0], "^then: Redis at .*: closed, since a command on it was cancelled")
        self.assertEqual(lines[1], "gone from the server's list")
        self.assert_all_closed()

    def test_a_thousand_connections_are_opened_and_closed_without_a_leak(self):
        lines = self.run_check("cycles", None, 1000)
        files = re.fullmatch(r"1000 cycles, files (\d+) -> (\d+)", lines[0])
        self.assertIsNotNone(files, lines)
        self.assertEqual(files[1], files[2])
        self.assert_all_closed()

    def test_what_waits_when_the_context_ends_is_destroyed_with_it(self):
        self.assertEqual(self.run_check("abandons"), ["abandoned"])
        self.assert_all_closed()


if __name__ == "__main__":
    unittest.main(verbosity=2)
