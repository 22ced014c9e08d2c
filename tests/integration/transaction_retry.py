# SPDX-License-Identifier: BSL-1.0
"""The program transaction_retry on a MariaDB: scripts/transaction_retry.sh shows it, test_deadlock.py checks it."""

import os
import subprocess
import sys
from urllib.parse import quote

from servers import MariaDB, end_with_parent

PROGRAM = os.environ["FANOUT_TRANSACTION_RETRY"]


def mysql_url(port, user=MariaDB.user_name, password=MariaDB.password, database=MariaDB.database):
    secret = "" if password is None else ":" + quote(password, safe="")
    return f"mysql://{quote(user, safe='')}{secret}@127.0.0.1:{port}/{database}"


def start(*arguments, environment=None, **options):
    return subprocess.Popen([PROGRAM, *map(str, arguments)], text=True, errors="replace", stdin=subprocess.DEVNULL,
                            preexec_fn=end_with_parent, **options,
                            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(environment or {})})


if __name__ == "__main__":
    with MariaDB() as server:
        sys.exit(start("--mysql", mysql_url(server.port)).wait())
