# SPDX-License-Identifier: BSL-1.0
"""What each limit makes of a table that throttles: `scripts/throttled.sh` prints it for people,
test_limits.py and test_throttled.py check it.

The table grants some hundred updates per second, and a burst of some more, and a request takes as long to it and back as in
a data centre; each run records a thousand videos there. (The way matters: over none at all a reply that turns a request
away is back in less time than the table takes to grant the next one, so that even one request at a time is too much.)
"""

import contextlib
import sys

from servers import DynamoDB, MariaDB, Network, ThrottledTable
from snapshot import ServersTestCase, Tables

PER_SECOND, BURST = 200, 20
ONE_WAY = 0.005  # seconds
VIDEOS = 1000
ATTEMPTS = 40  # enough for whoever is turned away again and again


def run_under(limit, tables):
    """Makes the tables anew and records a thousand videos: these, the run, and how many updates were turned away."""
    tables.make_tables()
    videos = tables.add_thousand()
    with ThrottledTable(tables.dynamodb, PER_SECOND, BURST) as table, Network(table.port, ONE_WAY) as way:
        run = tables.snapshot("--strategy", "retry", "--limit", limit, "--max-attempts", ATTEMPTS, "--json",
                              dynamodb=way.url)
        return videos, run, table.throttled()


class ThrottledTestCase(ServersTestCase):
    def run_under(self, limit):
        """The run's report, of a run that recorded everything; the program's count is the table's."""
        videos, run, throttled = run_under(limit, self)
        self.assert_recorded(run, 1000)
        self.assert_history(videos)
        report = run.report
        print(f"--limit {limit}: {throttled} throttled replies, {run.summary.seconds:.1f} s", flush=True)
        self.assertEqual(report["throttled_replies"], throttled, run)
        self.assertEqual(report["limit_given"], limit, run)
        return report


class Servers(Tables):
    def __init__(self, mariadb, dynamodb, client):
        self.mariadb = mariadb
        self.dynamodb = dynamodb
        self.client = client


def main(limits):
    with MariaDB() as mariadb, DynamoDB() as dynamodb, contextlib.closing(dynamodb.client()) as client:
        servers = Servers(mariadb, dynamodb, client)
        run_under(64, servers)  # not printed: a Java program is slow at first
        print(f"{VIDEOS} videos, a table that grants {PER_SECOND} updates/s (burst {BURST}), {2000 * ONE_WAY:.0f} ms away, "
              "--strategy retry")
        print(f"{'--limit':<12} {'recorded':>8} {'throttled replies':>18} {'seconds':>8}  limit at the end")
        failed = False
        for limit in limits:
            _, run, throttled = run_under(limit, servers)
            if not run.output:  # no such limit
                print(run.errors, end="", file=sys.stderr)
                return run.status
            at_end = run.report["limit_at_end"]
            print(f"{limit:<12} {run.summary.fulfilled:>8} {throttled:>18} {run.summary.seconds:>8.1f}  "
                  f"{'' if at_end is None else at_end}".rstrip(), flush=True)
            failed = failed or run.status != 0
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["unlimited", "64", "adaptive", f"rate:{PER_SECOND * 9 // 10}/s"]))
