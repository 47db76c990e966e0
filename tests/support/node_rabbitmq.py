"""A RabbitMQ of the tests' own."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from node import Node, ports

PROGRAMS = Path("/usr/lib/rabbitmq/bin")

CLOSER = """
spawn(fun() ->
    {ok, Listening} = gen_tcp:listen(%d, [binary, {ip, {127, 0, 0, 1}}, {active, false}]),
    Serve = fun(Serve) ->
        {ok, Socket} = gen_tcp:accept(Listening),
        [catch rabbit_networking:close_connection(One, "the test wants it") || One <- rabbit_networking:connections()],
        gen_tcp:send(Socket, "closed"),
        gen_tcp:close(Socket),
        Serve(Serve)
    end,
    Serve(Serve)
end).
"""
"""What closes the connections of all clients whenever somebody connects to a port."""


class RabbitMQNode(Node):
    """A node in a folder of its own, beside any that the machine has. It speaks TLS too, and wants certificates."""

    scheme = "amqp"
    greeting = b"AMQP\x00\x00\x09\x01"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tls_port, dist = ports(2)
        self.name = f"kernelq{self.port}@localhost"
        self._make_certificates()
        (folder / "home").mkdir()
        (folder / "plugins").write_text("[].\n")
        config = [
            f"listeners.tcp.local = 127.0.0.1:{self.port}",
            f"listeners.ssl.local = 127.0.0.1:{self.tls_port}",
            f"ssl_options.cacertfile = {folder}/ca.pem",
            f"ssl_options.certfile = {folder}/server.pem",
            f"ssl_options.keyfile = {folder}/server.key",
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = true",
            "ssl_options.versions.1 = tlsv1.2",
        ]
        (folder / "rabbitmq.conf").write_text("\n".join(config) + "\n")
        self._environment = {
            **os.environ,
            "HOME": str(folder / "home"),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-such-file"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_DIST_PORT": str(dist),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    @property
    def url(self) -> str:
        """Its address."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def close_connections(self) -> None:
        """Close those of all clients."""
        self.ctl("close_all_connections", "the test wants it")

    def closer(self) -> Callable[[], None]:
        """Return what does so within milliseconds, as long as the node runs; rabbitmqctl takes seconds."""
        (port,) = ports(1)
        self.ctl("eval", CLOSER % port)

        def close() -> None:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as asking:
                assert b"closed" == asking.recv(6)

        return close

    @contextmanager
    def short_of_memory(self) -> Iterator[None]:
        """Have the memory alarm go off: nothing is taken from those who publish until this ends."""
        self.ctl("set_vm_memory_high_watermark", "0")
        try:
            yield
        finally:
            self.ctl("set_vm_memory_high_watermark", "0.6")

    def ctl(self, *words: str) -> str:
        """Run rabbitmqctl; return what it prints."""
        command = [str(PROGRAMS / "rabbitmqctl"), "-q", "-n", self.name, *words]
        return subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True).stdout

    def _launch(self) -> subprocess.Popen[bytes]:
        with (self.folder / "output").open("ab") as output:
            return subprocess.Popen([PROGRAMS / "rabbitmq-server"], env=self._environment, stdout=output, stderr=output)

    def _pid(self) -> int:
        """Return that of Erlang; the process that was started is a shell around it."""
        path = self.folder / "pid"
        return int(path.read_text()) if path.exists() else super()._pid()

    def _make_certificates(self) -> None:
        def openssl(*words: str) -> None:
            subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

        new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
        openssl(*new, "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem")
        (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        for who in ("server", "client"):
            request = ("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={who}")
            openssl(*request, "-keyout", f"{who}.key", "-out", f"{who}.csr")
            sign = ("x509", "-req", "-in", f"{who}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
            openssl(*sign, "-days", "2", "-extfile", "names", "-out", f"{who}.pem")
