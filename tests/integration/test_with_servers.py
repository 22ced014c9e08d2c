# SPDX-License-Identifier: BSL-1.0
"""A command beside servers finds them, hears signals, and ends with its own status; the servers end with it."""

import os
import re
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from urllib.parse import unquote, urlsplit

import redis

WITH_SERVERS = [sys.executable, "-B", str(Path(__file__).with_name("with_servers.py"))]
# No command here comes near this, nor the servers that it waits for; one that reaches it hangs.
HANG = 180


class WithServers(unittest.TestCase):
    def start(self, *arguments):
        # Servers that the user of these tests has elsewhere are not the ones that are started here.
        env = {name: value for name, value in os.environ.items() if not re.fullmatch(r"FANOUT_\w+_URL", name)}
        running = subprocess.Popen([*WITH_SERVERS, *arguments], text=True, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        self.addCleanup(running.kill)
        return running

    def run_shell(self, script, said="", *servers):
        running = self.start(*(servers or ["redis"]), "--", "bash", "-c", script)
        output, errors = running.communicate(said, timeout=HANG)
        return running.returncode, output, errors

    def test_the_command_has_our_input_and_output_and_its_status_is_ours(self):
        self.assertEqual(self.run_shell("cat; echo wrong >&2; exit 7", "said\n"), (7, "said\n", "wrong\n"))
        self.assertEqual(self.run_shell("kill -KILL $$")[0], 128 + signal.SIGKILL)

    def test_it_finds_every_server_that_was_named_and_no_other(self):
        _, output, _ = self.run_shell("env", "", "redis", "postgresql", "mariadb")
        told = dict(line.split("=", 1) for line in output.splitlines() if line.startswith("FANOUT_") and "_URL=" in line)
        self.assertEqual(sorted(told), ["FANOUT_MYSQL_URL", "FANOUT_POSTGRES_URL", "FANOUT_REDIS_URL"])

    def test_the_way_to_a_server_takes_the_time_that_is_asked_for(self):
        running = self.start("--round-trip", "40ms", "redis", "--", "bash", "-c", "echo $FANOUT_REDIS_URL; read _")
        url = urlsplit(running.stdout.readline().strip())
        client = redis.Redis(url.hostname, url.port, password=unquote(url.password))
        self.assertTrue(client.ping())
        start = time.monotonic()
        self.assertTrue(client.ping())
        self.assertGreaterEqual(time.monotonic() - start, 0.04)
        running.communicate("\n", timeout=HANG)
        self.assertEqual(running.returncode, 0)

    def test_the_servers_run_as_long_as_the_command(self):
        running = self.start("redis", "--", "bash", "-c", "echo $FANOUT_REDIS_URL; read _")
        url = urlsplit(running.stdout.readline().strip())
        client = redis.Redis(url.hostname, url.port, password=unquote(url.password))
        self.assertTrue(client.ping())
        running.communicate("\n", timeout=HANG)
        with self.assertRaises(redis.ConnectionError):
            client.ping()

    def test_signals_are_passed_on(self):
        for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(sent.name):
                running = self.start("redis", "--", "bash", "-c", f"trap 'exit 9' {sent.value}; echo up; "
                                                                  "while :; do sleep 0.05; done")
                self.assertEqual(running.stdout.readline(), "up\n")
                running.send_signal(sent)
                running.communicate(timeout=HANG)
                self.assertEqual(running.returncode, 9)

    def test_wrong_uses_are_refused(self):
        for arguments in ([], ["redis"], ["redis", "--"], ["mysql", "--", "true"]):
            with self.subTest(arguments):
                running = self.start(*arguments)
                self.assertIn("usage: ", running.communicate(timeout=HANG)[1])
                self.assertEqual(running.returncode, 2)
        self.assertEqual(self.run_shell("true")[0], 0)
        missing = self.start("redis", "--", "no-such-command")
        self.assertIn("no-such-command", missing.communicate(timeout=HANG)[1])
        self.assertEqual(missing.returncode, 127)


if __name__ == "__main__":
    unittest.main(verbosity=2)
