"""A PostgreSQL server of a test's own: in a temporary folder, on a free port of this machine, gone in the end."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def programs() -> Path | None:
    """The folder of PostgreSQL's server programs; None where there are none."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    places += [Path(found).resolve().parent] if found else []
    return next((place for place in places if (place / "initdb").exists()), None)


def lacking() -> str | None:
    """What is missing to start a server here, in words; None where nothing is."""
    if programs() is None:
        return "needs PostgreSQL's server programs (Debian: apt-get install postgresql)"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "runs as root, and there is no user postgres to start PostgreSQL as"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "needs the driver psycopg (pip install -c constraints.txt -e '.[postgres]')"
    return None


@dataclass
class Server:
    """A running server; `address` is a URL for --storage."""

    folder: Path
    port: int

    @property
    def address(self) -> str:
        """Of its one database."""
        return f"postgresql://optuna:a-very-secret-word@127.0.0.1:{self.port}/postgres"

    def call(self, program: str, *words: str) -> None:
        """Run one of PostgreSQL's programs; not as root, which it refuses."""
        command = [str(programs() / program), *words]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", *command]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.call("pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-o", options, "-w", "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it: `immediate` is as if it were killed, and all who are connected fall out."""
        self.call("pg_ctl", "-D", f"{self.folder}/data", "-m", how, "-w", "stop")

    def away(self, seconds: float) -> None:
        """Be gone for a while, and come back."""
        self.stop()
        time.sleep(seconds)
        self.start()


@contextmanager
def server() -> Iterator[Server]:
    """A new, empty server with a user that needs a password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="rnnkit-pg-"))
    try:
        password = folder / "password"
        password.write_text("a-very-secret-word\n")
        if os.geteuid() == 0:
            for path in (folder, password):
                shutil.chown(path, "postgres", "postgres")
        found = Server(folder, port)
        found.call("initdb", "-D", f"{folder}/data", "-A", "scram-sha-256", "-U", "optuna", "--pwfile", str(password))
        found.start()
        try:
            yield found
        finally:
            found.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
