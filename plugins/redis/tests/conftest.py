"""A database, a key prefix and servers of the test's own."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from types import SimpleNamespace

import pytest
import redis

from kernelq_testkit.waiting import eventually

URL = os.environ.get("KERNELQ_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")


@pytest.fixture
def url():
    return URL


@pytest.fixture
def client(url):
    """redis-py's client on the same database."""
    with redis.Redis.from_url(url) as client:
        client.ping()
        yield client


@pytest.fixture
def prefix(client):
    """A prefix of keys that nobody else has; what has it is deleted after the test."""
    prefix = f"kqt-{uuid.uuid4().hex[:10]}:"
    yield prefix
    for key in client.scan_iter(f"{prefix}*", count=10_000):
        client.delete(key)


@pytest.fixture
def settings(prefix):
    return SimpleNamespace(
        broker_connection_timeout=4.0,
        broker_transport_options={"global_keyprefix": prefix},
        result_backend_transport_options={"global_keyprefix": prefix},
    )


class Server:
    """A redis-server of the test's own, on a free port; `more` are further options of its command line."""

    def __init__(self, folder, *more):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.more = more
        self.process = None

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *command):
        command = command or (
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *self.more
        )  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command], cwd=self.folder, stdout=log, stderr=log)
        eventually(self.answers, 30, wanted=f"an answer of {command}")
        return self

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as plain:
                plain.settimeout(5)
                plain.sendall(b"PING\r\n")
                return plain.recv(100)[:1] in b"+-"
        except OSError:
            return False

    def client(self):
        return redis.Redis(port=self.port, socket_timeout=10)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None


class Sentinel(Server):
    """A redis-sentinel that watches the master "kq"."""

    def __init__(self, folder, master):
        super().__init__(folder)
        (folder / "sentinel.conf").write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor kq 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds kq 500\nsentinel failover-timeout kq 2000\n"
        )

    def start(self, *command):
        return super().start("redis-server", str(self.folder / "sentinel.conf"), "--sentinel")


@pytest.fixture
def start_server(tmp_path):
    """Start servers, ``start_server("--appendonly", "yes")``; they are killed after the test."""
    started = []

    def start(*more, cls=Server):
        started.append(cls(tmp_path / f"server{len(started)}", *more))
        return started[-1].start()

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def start_sentinel(start_server):
    """Start a sentinel for a master."""
    return lambda master: start_server(master, cls=Sentinel)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with the certificates of an authority, of a server at 127.0.0.1, of a client, and of a stranger."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    for name in ("ca", "stranger"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-days", "2", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    for name in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")  # fmt: skip
        (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2", "-extfile", "extensions")  # fmt: skip
    return folder


@pytest.fixture
def tls_server(tmp_path, certificates):
    """A server that speaks TLS only, to clients with a certificate of the authority; see `tls_options`."""
    server = Server(tmp_path / "tls")
    words = ["--tls-port", str(server.port), "--port", "0", "--bind", "127.0.0.1", "--save", ""]
    for option, name in (("cert-file", "server.pem"), ("key-file", "server.key"), ("ca-cert-file", "ca.pem")):
        words += [f"--tls-{option}", str(certificates / name)]
    with (server.folder / "log").open("ab") as log:
        server.process = subprocess.Popen(["redis-server", *words], cwd=server.folder, stdout=log, stderr=log)
    eventually(lambda: b"Ready to accept" in (server.folder / "log").read_bytes(), 30)
    yield server
    server.kill()


@pytest.fixture
def tls_options(certificates):
    """The options that `tls_server` wants."""
    return {
        "ssl_ca_certs": str(certificates / "ca.pem"),
        "ssl_certfile": str(certificates / "client.pem"),
        "ssl_keyfile": str(certificates / "client.key"),
    }
