# SPDX-License-Identifier: BSL-1.0
"""Runs a command beside servers: `with_servers.py [--round-trip 50ms] mariadb redis -- command argument…`; see
scripts/with-servers.sh.

The command finds the servers by the environment (FANOUT_MYSQL_URL and so on), and has this process's input and output.
It is sent each SIGINT, SIGTERM and SIGHUP that is sent here; its exit status is ours (128 + n if signal n ended it).
"""

import contextlib
import os
import re
import signal
import subprocess
import sys

import servers
from processes import end_with_parent

SERVERS = {server.name: server for server in (servers.MariaDB, servers.PostgreSQL, servers.Redis, servers.DynamoDB)}
FORWARDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
SI_KERNEL = 0x80


def usage():
    print(f"usage: with-servers.sh [--round-trip Nms] {{{'|'.join(SERVERS)}}}… -- command [argument…]", file=sys.stderr)
    return 2


def execute(command, environment):
    """Runs the command, passes signals on to it, and returns its exit status."""
    # From here on signals wait for sigwaitinfo(), so none comes between two lines.
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED | {signal.SIGCHLD})

    def before():
        end_with_parent()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED | {signal.SIGCHLD})

    try:
        running = subprocess.Popen(command, env=environment, preexec_fn=before)
    except OSError as error:
        print(f"with-servers: {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
    while (status := running.poll()) is None:
        received = signal.sigwaitinfo(FORWARDED | {signal.SIGCHLD})
        # What comes from the terminal, as Ctrl-C, it has sent to the command as well.
        if received.si_signo in FORWARDED and received.si_code != SI_KERNEL:
            running.send_signal(received.si_signo)
    return status if status >= 0 else 128 - status


def main(arguments):
    if "--" not in arguments:
        return usage()
    dashes = arguments.index("--")
    names, command = arguments[:dashes], arguments[dashes + 1:]
    milliseconds = 0
    if names[:1] == ["--round-trip"]:
        given = re.fullmatch(r"([1-9]\d{0,4})ms", names[1] if len(names) > 1 else "")
        if not given:
            return usage()
        milliseconds, names = int(given[1]), names[2:]
    if not command or not set(names) <= set(SERVERS):
        return usage()
    # Ctrl-C while they start ends this process with the status of one that it killed.
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    environment = dict(os.environ)
    with contextlib.ExitStack() as running:
        for name in dict.fromkeys(names):
            server = running.enter_context(SERVERS[name]())
            found = server.environment()
            if milliseconds:
                way = running.enter_context(servers.Network(server.port, milliseconds / 2000))
                found = {key: value.replace(f":{server.port}", f":{way.port}") for key, value in found.items()}
            environment |= found
        return execute(command, environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
