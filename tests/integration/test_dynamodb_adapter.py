# SPDX-License-Identifier: BSL-1.0
"""What the DynamoDB adapter survives, on real servers, compiled with sanitizers (tests/adapters/dynamodb_check.cpp).

Elsewhere: what a scripted server can show (tests/adapters/dynamodb.test.cpp), a program that meets a refused connection,
an unknown host, table or no credentials (test_failures.py), a server killed in mid-run of a snapshot (test_limits.py).
"""

import asyncio
import contextlib
import os
import socket
import time
import unittest

from experiments import HEARTBEAT, finish, start
from servers import DynamoDB, Network, Proxy, free_port

PROGRAM = os.environ["FANOUT_DYNAMODB_CHECK"]
STRICT = {"ASAN_OPTIONS": "detect_stack_use_after_return=1:detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


class LosesReply(Network):
    """A way to the server on which the reply to the first update is lost: it is done, and both ends see the way break."""

    def __init__(self, port):
        super().__init__(port, 0)
        self.updates = 0

    async def connected(self, from_client, to_client):
        self.tasks.append(asyncio.current_task())
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.to)
        self.writers += [to_client, to_server]
        lose = asyncio.Event()

        async def ask():
            with contextlib.suppress(OSError):
                while data := await from_client.read(65536):
                    if b".UpdateItem" in data:
                        self.updates += 1
                        if self.updates == 1:
                            lose.set()
                    to_server.write(data)
            to_server.close()

        async def answer():
            with contextlib.suppress(OSError):
                while (data := await from_server.read(65536)) and not lose.is_set():
                    to_client.write(data)
            to_client.close()
            to_server.close()

        await asyncio.gather(ask(), answer())


class Slow(Network):
    """Counts the connections that came."""

    connections = 0

    async def connected(self, from_client, to_client):
        self.connections += 1
        await super().connected(from_client, to_client)


class DeniesAll(Proxy):
    """As DynamoDB answers credentials that it does not know; DynamoDB Local takes any."""

    def chooser(self):
        return "map $http_x_amz_target $throttled { default 0; }"

    def turn_away(self):
        return """return 403 '{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token included in the request is invalid."}';"""


class Survives(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dynamodb = DynamoDB().start()
        cls.addClassCleanup(cls.dynamodb.stop)

    def setUp(self):
        self.client = self.dynamodb.client()
        self.addCleanup(self.client.close)

    def make_table(self):
        self.client.create_table(
            TableName="survival", BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
        self.addCleanup(self.client.delete_table, TableName="survival")

    def begin(self, case, url, **environment):
        return start(PROGRAM, case, url, env={**self.dynamodb.environment(), **STRICT, **environment})

    def until_ready(self, running):
        """What it says up to the line "ready"."""
        said = ""
        while (line := running.stdout.readline()) != "ready\n":
            if not line:
                self.fail(f"ended: {finish(running, said)}")
            said += line
        return said

    def end(self, running, before=""):
        return self.facts(finish(running, before, record=False))

    def facts(self, result):
        """The lines of facts of a run that ended well: no sanitizer complained, and the event loop was never held up."""
        self.assertEqual((result.status, result.errors), (0, ""), result)
        self.assertLessEqual(result.heartbeat_late, 1, result)
        return HEARTBEAT.sub("", result.output).split("\n")[:-2]

    def check(self, case, url, **environment):
        return self.end(self.begin(case, url, **environment))

    def test_a_server_that_comes_up_later_serves_the_same_client(self):
        port = free_port()
        running = self.begin("down_at_start", f"http://127.0.0.1:{port}")
        said = self.until_ready(running)
        late = DynamoDB()
        late.port = port
        with late:
            facts = self.end(running, said)
        self.assertRegex(facts[0], f"^transient: cannot connect to DynamoDB at 127.0.0.1:{port}: Connection refused")
        self.assertEqual(facts[1:], ["served"])

    def test_a_server_killed_in_mid_run(self):
        with DynamoDB() as server:
            running = self.begin("killed", server.url)
            said = self.until_ready(running)
            server.kill()
            while not said.endswith("sockets left: 0\n"):
                line = running.stdout.readline()
                self.assertNotEqual(line, "", said)
                said += line
            server.start()
            facts = self.end(running, said)
        self.assertEqual(facts, ["transient"] * 16 + ["sockets left: 0", "served"])

    def test_credentials_that_the_server_does_not_know(self):
        with DeniesAll(self.dynamodb) as proxy:
            facts = self.check("denied", proxy.url)
        self.assertEqual(len(facts), 4)
        for fact in facts[:3]:
            self.assertRegex(fact, "^final: UnrecognizedClientException: The security token")
        self.assertEqual(facts[3], "sockets: 1")  # the reply was whole: the connection is kept

    def test_dynamodb_local_takes_any_credentials(self):
        # So only the proxy above shows what wrong ones do. Should this fail some day, that test can do without it.
        facts = self.check("denied", self.dynamodb.url, AWS_SECRET_ACCESS_KEY="wrong")
        self.assertEqual(facts, ["fulfilled"] * 3 + ["sockets: 1"])

    def test_a_server_that_never_answers(self):
        before = time.monotonic()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            facts = self.check("silent", f"http://127.0.0.1:{silent.getsockname()[1]}")
        self.assertEqual(len(facts), 4)
        for fact in facts[:3]:
            self.assertRegex(fact, "^transient: no good reply from DynamoDB")
        self.assertEqual(facts[3], "sockets left: 0")
        self.assertLess(time.monotonic() - before, 8)  # 3 requests that were given 100 ms each

    def test_a_request_cancelled_in_mid_flight_closes_its_connection(self):
        self.make_table()
        with Slow(self.dynamodb.port, 0.15) as way:  # 300 ms for each reply, which is cancelled after 20
            facts = self.check("cancelled", way.url)
        self.assertEqual(facts, ["cancelled: 10, own items: 10"])
        # The first cancelled request had the connection of the writes; each one of them was followed by a new connection.
        self.assertEqual(way.connections, 11)

    def test_a_thousand_clients_leave_nothing_behind(self):
        facts = self.facts(finish(self.begin("cycles", self.dynamodb.url), record=False))
        self.assertEqual(facts[-1], "files more than after 100: 0")
        ends = {how: int(times) for how, times in (fact.rsplit(": ", 1) for fact in facts[:-1])}
        self.assertGreaterEqual(ends["fulfilled"], 667)
        self.assertEqual(sum(ends.values()), 1000, ends)
        self.assertEqual(set(ends) - {"fulfilled"}, {"timed out"})

    def test_a_context_that_goes_first_frees_all(self):
        with Slow(self.dynamodb.port, 0.2) as way:
            result = finish(self.begin("abandoned", way.url), record=False)
        self.assertEqual((result.status, result.output, result.errors), (0, "abandoned\n", ""), result)

    def entries(self):
        item = self.client.get_item(TableName="survival", Key={"id": {"S": "0"}}, ConsistentRead=True)["Item"]
        return len(item["entries"]["L"])

    def test_a_lost_reply_on_a_kept_connection_is_a_write_done_twice(self):
        self.make_table()
        with LosesReply(self.dynamodb.port) as way:
            facts = self.check("lost_reply", way.url)
        self.assertEqual((facts, way.updates, self.entries()), (["fulfilled"], 2, 2))

    def test_unless_the_client_is_told_not_to_resend(self):
        self.make_table()
        with LosesReply(self.dynamodb.port) as way:
            facts = self.check("lost_reply_not_resent", way.url)
        self.assertEqual((way.updates, self.entries()), (1, 1))
        self.assertRegex(facts[0], "^transient: no good reply from DynamoDB")


if __name__ == "__main__":
    unittest.main(verbosity=2)
