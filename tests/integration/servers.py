# SPDX-License-Identifier: BSL-1.0
"""The real servers of the integration tests: MariaDB, PostgreSQL, Redis, DynamoDB Local, and nginx in front of the last.

Each runs on a free port, out of a temporary folder, on the loopback interface only (which DynamoDB Local has no option
for); `url` is its address with user and password, `environment()` what a program finds it by. `start()`
returns when the server answers; `stop()` ends the process that was started here, and no other. A server also ends with
this Python process, however that ends: the kernel is asked for it (PR_SET_PDEATHSIG), so nothing outlives a test that
was killed.
"""

import asyncio
import atexit
import contextlib
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import boto3
import botocore.config
import psycopg2
import pymysql
import redis

from processes import end_with_parent

START_TIMEOUT = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def find_program(name, *places):
    for place in (shutil.which(name), *places):
        if place and os.access(place, os.X_OK):
            return place
    raise RuntimeError(f"{name} is not installed; scripts/setup.sh test installs it")


def cache():
    """Where scripts/setup.sh unpacks what is not installed, as scripts/paths.sh says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "fanout"


def children_of(pid):
    """The processes that a process started, as file descriptors: these never name another process later on."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # gone by now
            for child in thread.read_text().split():
                found.append(os.pidfd_open(int(child)))
    return found


class Server:
    """A process with a port and a folder. A subclass says how it is prepared, started and asked whether it is up."""

    name = "server"
    polite_end = signal.SIGTERM

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix=f"fanout-{self.name}-"))
        atexit.register(self.stop)
        self.log = self.folder / "log"
        self.port = None
        self.process = None
        self.user = {}

    def prepare(self):
        """Once, before the first start."""

    def command(self):
        raise NotImplementedError

    def ready(self):
        """True when the server answers; OSError and the like mean not yet."""
        raise NotImplementedError

    def environment(self):
        """What a program needs to find in its environment to use this server."""
        return {}

    def run(self, command, stdin=subprocess.DEVNULL, **options):
        # In a session of its own: Ctrl-C is for whom uses the server; that ends it when he is done.
        return subprocess.Popen(command, stdin=stdin, cwd=self.folder, preexec_fn=end_with_parent,
                                start_new_session=True, **self.user, **options)

    def as_nobody(self):
        """For servers that refuse to run as root, and should.

        (A change of user forgets that the kernel was asked to end the server with us, so it must come first; so it is
        not made by the server's own option.)
        """
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)

    def start(self):
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self):
        if self.port is None:
            self.prepare()
        # Another program may take a free port between our look and the server's bind; a restart keeps its port.
        ports = [self.port] if self.port else [free_port() for _ in range(3)]
        for self.port in ports:
            if self._start_once():
                return
        raise RuntimeError(f"{self.name} did not start:\n" + self.log.read_text(errors="replace"))

    def _start_once(self):
        with open(self.log, "ab") as log:
            self.process = self.run(self.command(), stdout=log, stderr=log)
        give_up = time.monotonic() + START_TIMEOUT
        while time.monotonic() < give_up and self.process.poll() is None:
            try:
                if self.ready():
                    return True
            except (OSError, urllib.error.URLError, pymysql.Error, psycopg2.Error, redis.RedisError):
                pass
            time.sleep(0.05)
        self.kill()
        return False

    def kill(self):
        """As a crash would: no goodbye. The folder stays, so `start()` can bring it back on the same port."""
        if self.process:
            # All of it at once: nobody is to notice that one of its processes is gone while another still answers. So all
            # are stopped first; then the one that listens ends before those that hold connections, so that who connects
            # again is refused. (Its children are not ours to wait for, and until they are gone it cannot come back.)
            children = []
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGSTOP)  # it starts no more of them
                children = children_of(self.process.pid)

            def send(number):
                for child in children:
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(child, number)

            send(signal.SIGSTOP)
            self.process.kill()
            self.process.wait()
            self.process = None
            send(signal.SIGKILL)
            for child in children:
                select.select([child], [], [], 10)
                os.close(child)

    def stop(self):
        if self.process:
            self.process.send_signal(self.polite_end)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                pass
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class MariaDB(Server):
    """One database with a user of its own. The password has characters that a URL must escape."""

    name = "mariadb"
    user_name = "snapshot"
    password = "p@ss:w/rd%7 '\"비밀"
    database = "videos"

    def __init__(self):
        super().__init__()
        self.as_nobody()

    def prepare(self):
        install = [find_program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder}/data",
                   "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
        with open(self.log, "ab") as log:
            if self.run(install, stdout=log, stderr=log).wait(START_TIMEOUT) != 0:
                raise RuntimeError("mariadb-install-db failed:\n" + self.log.read_text(errors="replace"))
        self.init = self.folder / "init.sql"
        password = self.password.replace("'", "''")
        self.init.write_text(
            f"CREATE DATABASE IF NOT EXISTS {self.database} CHARACTER SET utf8mb4;"
            f"CREATE USER IF NOT EXISTS '{self.user_name}'@'127.0.0.1' IDENTIFIED BY '{password}';"
            f"GRANT ALL ON {self.database}.* TO '{self.user_name}'@'127.0.0.1';\n".replace(";", ";\n"))

    def command(self):
        return [find_program("mariadbd", "/usr/sbin/mariadbd"), "--no-defaults", f"--datadir={self.folder}/data",
                f"--init-file={self.init}", "--bind-address=127.0.0.1", f"--port={self.port}",
                f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid", "--skip-name-resolve",
                "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=0"]

    @property
    def url(self):
        return f"mysql://{self.user_name}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{self.database}"

    def environment(self):
        return {"FANOUT_MYSQL_URL": self.url}

    def ready(self):
        self.connect().close()
        return True

    def connect(self):
        return pymysql.connect(host="127.0.0.1", port=self.port, user=self.user_name, password=self.password.encode(),
                               database=self.database, charset="utf8mb4", autocommit=True)


class PostgreSQL(Server):
    """One database, owned by a user who is asked for a password (SCRAM); the superuser `postgres` has a socket only."""

    name = "postgresql"
    user_name = MariaDB.user_name
    password = MariaDB.password
    database = MariaDB.database
    polite_end = signal.SIGINT  # SIGTERM waits for the clients

    def __init__(self):
        super().__init__()
        self.as_nobody()

    def programs(self):
        """The folder of initdb and postgres: the newest, and a copy of it where the user that they run as may not go."""
        installed, unpacked = (sorted((root / "usr/lib/postgresql").glob("*/bin"), reverse=True,
                                      key=lambda place: float(place.parent.name))
                               for root in (Path("/"), cache() / "postgresql"))
        given = os.environ.get("FANOUT_POSTGRES_BIN")
        initdb = f"{given}/initdb" if given else find_program("initdb", *(p / "initdb" for p in installed + unpacked))
        place = Path(initdb).parent
        if not self.user or all(folder.stat().st_mode & 0o001 for folder in place.parents):
            return place
        # As Debian's packages have it: usr/lib/postgresql/15/bin, and its data in usr/share beside.
        copy = self.folder / "programs"
        copy.mkdir()
        copy.chmod(0o755)  # whatever the umask is
        shutil.copytree(place.parents[3], copy / "usr", symlinks=True)
        return copy / place.relative_to(place.parents[4])

    def prepare(self):
        self.place = self.programs()
        data = ["-D", f"{self.folder}/data"]
        with open(self.log, "ab") as log:
            if self.run([f"{self.place}/initdb", *data, "--username=postgres", "--auth-local=trust",
                         "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"],
                        stdout=log, stderr=log).wait(START_TIMEOUT) != 0:
                raise RuntimeError("initdb failed:\n" + self.log.read_text(errors="replace"))
            password = self.password.replace("'", "''")
            alone = self.run([f"{self.place}/postgres", "--single", *data, "-F", "-j", "postgres"],
                             stdin=subprocess.PIPE, stdout=log, stderr=log)
            alone.communicate((f"CREATE ROLE {self.user_name} LOGIN PASSWORD '{password}';\n\n"
                               f"CREATE DATABASE {self.database} OWNER {self.user_name};\n\n").encode())

    def command(self):
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder,
                    "fsync": "off", "max_prepared_transactions": 64, "shared_buffers": "32MB", "jit": "off"}
        return [f"{self.place}/postgres", "-D", f"{self.folder}/data",
                *(argument for name, value in settings.items() for argument in ("-c", f"{name}={value}"))]

    @property
    def url(self):
        return f"postgresql://{self.user_name}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{self.database}"

    def environment(self):
        return {"FANOUT_POSTGRES_URL": self.url}

    def ready(self):
        self.connect().close()
        return True

    def connect(self, **options):
        connection = psycopg2.connect(**{"host": "127.0.0.1", "port": self.port, "user": self.user_name,
                                         "password": self.password, "dbname": self.database, **options})
        connection.autocommit = True
        return connection

    def connect_as_superuser(self):
        return self.connect(host=str(self.folder), user="postgres", password=None)


class Redis(Server):
    """A Redis in memory: what it holds is gone with it."""

    name = "redis"
    password = MariaDB.password

    def command(self):
        config = self.folder / "redis.conf"
        password = "".join(f"\\x{byte:02x}" for byte in self.password.encode())
        config.touch(0o600)
        config.write_text(f'''
bind 127.0.0.1
port {self.port}
requirepass "{password}"
save ""
appendonly no
dir {self.folder}
''')
        unpacked = cache() / "redis/usr/bin/redis-server"
        return [os.environ.get("FANOUT_REDIS_SERVER") or find_program("redis-server", unpacked), str(config)]

    @property
    def url(self):
        return f"redis://:{quote(self.password, safe='')}@127.0.0.1:{self.port}/0"

    def environment(self):
        return {"FANOUT_REDIS_URL": self.url}

    def ready(self):
        with self.connect() as client:
            return client.ping()

    def connect(self):
        return redis.Redis("127.0.0.1", self.port, password=self.password, decode_responses=True)


class DynamoDB(Server):
    """DynamoDB Local. In memory, or on disk, so that it can be killed and brought back with its data."""

    name = "dynamodb"
    access_key = "AKIDFANOUTTEST"
    secret_key = "wJalrXUtnFEMI/K7MDENG+thisIsASecret"
    region = "eu-central-1"

    def __init__(self, on_disk=False):
        super().__init__()
        self.on_disk = on_disk

    def command(self):
        home = Path(os.environ.get("FANOUT_DYNAMODB_LOCAL") or cache() / "dynamodb-local-0.6.0")
        if not (home / "DynamoDBLocal.jar").is_file():
            raise RuntimeError(f"no DynamoDB Local in {home}; scripts/setup.sh test puts it there")
        storage = ["-dbPath", str(self.folder)] if self.on_disk else ["-inMemory"]
        # It lives for seconds: the compiler that takes long to make what runs for hours faster costs more than it gives.
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return [find_program("java"), *quick, "-Xmx512m", f"-Djava.library.path={home}/DynamoDBLocal_lib",
                "-jar", f"{home}/DynamoDBLocal.jar", "-port", str(self.port), "-sharedDb", *storage]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def ready(self):
        try:
            urllib.request.urlopen(self.url, timeout=5)
        except urllib.error.HTTPError:
            pass  # it answers: an unsigned request is an error
        return True

    def client(self):
        return boto3.client("dynamodb", endpoint_url=self.url, region_name=self.region,
                            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
                            config=botocore.config.Config(retries={"max_attempts": 2}))

    def environment(self):
        return {"FANOUT_DYNAMODB_URL": self.url, "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}


class Proxy(Server):
    """nginx in front of DynamoDB, which turns some requests away as DynamoDB does when it is asked too much."""

    name = "nginx"
    too_much = ('{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",'
                '"message":"The level of configured provisioned throughput for the table was exceeded."}')

    def __init__(self, upstream):
        super().__init__()
        self.upstream = upstream

    def chooser(self):
        """The part of nginx's configuration that sets $throttled, not 0 where a request was turned away."""
        raise NotImplementedError

    def turn_away(self):
        """The part that turns a request away, within its location."""
        raise NotImplementedError

    def command(self):
        config = self.folder / "nginx.conf"
        config.write_text(f"""
daemon off;
master_process off;
pid {self.folder}/pid;
error_log stderr crit;
events {{ worker_connections 2048; }}
http {{
    client_body_temp_path {self.folder}/body;
    proxy_temp_path {self.folder}/proxy;
    fastcgi_temp_path {self.folder}/fastcgi;
    uwsgi_temp_path {self.folder}/uwsgi;
    scgi_temp_path {self.folder}/scgi;
    log_format replies "$status $throttled $http_x_amz_target";
    access_log {self.folder}/replies replies;
    default_type application/x-amz-json-1.0;
    keepalive_requests 1000000;
    {self.chooser()}
    upstream dynamodb {{
        server 127.0.0.1:{self.upstream.port};
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{self.port};
        location / {{
            {self.turn_away()}
            proxy_pass http://dynamodb;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
        location @too_much {{
            return 400 '{self.too_much}';
        }}
    }}
}}
""")
        return [os.environ.get("FANOUT_NGINX") or find_program("nginx", "/usr/sbin/nginx"), "-p", str(self.folder),
                "-e", "stderr", "-c", str(config)]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    ready = DynamoDB.ready

    def updates(self):
        """How many updates came, and how many of these were turned away."""
        replies = [line.split() for line in (self.folder / "replies").read_text().splitlines()]
        updates = [reply for reply in replies if reply[2].endswith(".UpdateItem")]
        return len(updates), sum(throttled != "0" for _, throttled, _ in updates)

    def throttled(self):
        """How many updates were turned away."""
        return self.updates()[1]


class ThrottlingProxy(Proxy):
    """Turns away a share of all requests, whatever the load is."""

    def __init__(self, upstream, percent):
        super().__init__(upstream)
        self.percent = percent

    def chooser(self):
        return f"""split_clients "$request_id" $throttled {{
        {self.percent}% 1;
        *  0;
    }}"""

    def turn_away(self):
        return f"""if ($throttled) {{
                return 400 '{self.too_much}';
            }}"""


class ThrottledTable(Proxy):
    """A table that grants so many updates per second, and a burst of some more, and turns away what is beyond these.

    As a table of DynamoDB: what it grants is a rate, reads have a capacity of their own (here without bounds), and a
    request that is turned away comes back at once and costs nothing of the rate.
    """

    def __init__(self, upstream, per_second, burst):
        super().__init__(upstream)
        self.per_second = per_second
        self.burst = burst

    # A request whose key is empty is not counted; error_page turns nginx's own reply into DynamoDB's.
    def chooser(self):
        return f"""map $http_x_amz_target $update {{
        ~UpdateItem$ table;
        default "";
    }}
    map $limit_req_status $throttled {{
        REJECTED 1;
        default  0;
    }}
    limit_req_zone $update zone=table:1m rate={self.per_second}r/s;
    limit_req_status 429;"""

    def turn_away(self):
        return f"""limit_req zone=table burst={self.burst} nodelay;
            error_page 429 = @too_much;"""


class Network:
    """A way to a server of this machine that takes its time, as the one to a database does: bytes arrive later, in order."""

    def __init__(self, port, one_way):
        self.to = port
        self.one_way = one_way
        self.tasks, self.writers = [], []  # asyncio itself only has weak references
        self.up = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    def __enter__(self):
        self.thread.start()
        if not self.up.wait(START_TIMEOUT):
            raise RuntimeError("the network did not start")
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join()

    async def serve(self):
        self.loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self.up.set()
        await self.ended.wait()
        server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    async def connected(self, from_client, to_client):
        self.tasks.append(asyncio.current_task())
        self.writers.append(to_client)
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:  # nobody is there, which whoever came here is not to wait for
            self.loop.call_later(2 * self.one_way, to_client.close)
            return
        self.writers.append(to_server)
        await asyncio.gather(self.carry(from_client, to_server), self.carry(from_server, to_client))

    async def carry(self, reader, writer):
        try:
            while data := await reader.read(65536):
                self.loop.call_later(self.one_way, writer.write, data)
        except OSError:
            pass  # closed the hard way
        self.loop.call_later(self.one_way, writer.close)


if __name__ == "__main__":
    # For a look by hand: `python3 servers.py` starts all of them, says where they are, and waits for Ctrl-C.
    with (MariaDB() as mariadb, PostgreSQL() as postgresql, Redis() as redis_server, DynamoDB() as dynamodb,
          ThrottlingProxy(dynamodb, 5) as proxy, ThrottledTable(dynamodb, 200, 20) as table):
        for server in (mariadb, postgresql, redis_server, dynamodb):
            for name, value in server.environment().items():
                print(f"{name}={value}")
        print(f"a share throttled {proxy.url}, throttled above 200/s {table.url}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            sys.exit(0)
