"""Where a study's trials are kept: a journal file on one machine, or a PostgreSQL database for many.

Both say which trials were abandoned by a worker that is gone. On one machine every worker holds a lock on a file of its
own, which the system lets go of when it ends, however it ends. At a database a worker's trial has a heartbeat, by the
database's clock.
"""

import contextlib
import fcntl
import sys
import threading
import time
import warnings
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from rnnkit.core import UserError, extras, locks, without_secrets


BEAT = 5  # seconds between two heartbeats
GRACE = 20  # seconds without one after which a worker counts as gone
PATIENCE = 300.0  # seconds that a database may be away without harm
WAITING = "waiting for the database, which does not answer"

Value = TypeVar("Value")


def id_of(trial: "FrozenTrial | optuna.Trial") -> int:
    """What the storage calls a trial."""
    return trial._trial_id  # pyright: ignore[reportPrivateUsage] (Optuna has no other name for it)


class _FileLock:
    """Optuna's lock on a journal, as a lock that the system lets go of when its holder is killed."""

    def __init__(self, path: Path):
        self._path = path

    def acquire(self) -> bool:
        with contextlib.ExitStack() as held:
            locks.take(held.enter_context(locks.opened(self._path)), self._path)
            self._held = held.pop_all()  # what cannot be locked is closed again
        return True

    def release(self) -> None:
        self._held.close()


class Journal:
    """The storage of a study on one machine: journal.log in the study's folder."""

    kind = "journal"
    poll = 0.2  # seconds between two looks

    def __init__(self, folder: Path):
        self.folder = folder
        path = folder / "journal.log"
        lock: Any = _FileLock(folder / "journal.lock")  # of a class that Optuna does not give out
        backend = JournalFileBackend(str(path), lock_obj=lock)
        try:
            self.optuna = JournalStorage(backend)
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError):  # what Optuna meets in such a file
            raise UserError(
                f"{path} is damaged: run the sweep again, which repairs what a crash tore, or says where"
            ) from None

    def patiently(self, action: Callable[..., Value], *given) -> Value:
        """Do what needs the storage."""
        return action(*given)

    def pause(self) -> None:
        """Wait until another process has written something, or for a moment."""
        path, end = self.folder / "journal.log", time.monotonic() + 2 * self.poll
        size = path.stat().st_size
        while time.monotonic() < end and path.stat().st_size == size:
            time.sleep(self.poll / 20)

    def exclusive(self) -> AbstractContextManager[object]:
        """Be the only process that plans or hands out trials."""
        return locks.exclusive(self.folder / "claim.lock")

    @contextlib.contextmanager
    def present(self, worker: str) -> Iterator[None]:
        """Be seen as a living worker of this name, for as long as this process lives."""
        (self.folder / "workers").mkdir(exist_ok=True)
        path = self.folder / "workers" / worker
        with locks.exclusive(path), locks.opened(self.folder / "workers.lock") as all_of_them:
            locks.take(all_of_them, path, fcntl.LOCK_SH)
            yield
        path.unlink(missing_ok=True)

    def beating(self, trial_id: int) -> AbstractContextManager[None]:
        """Have a trial that this process runs known as alive: the lock of `present` does it here."""
        return contextlib.nullcontext()

    def beat(self, trial_id: int) -> None:
        """Say that a trial is alive."""

    def abandoned(self, study: optuna.Study) -> list[FrozenTrial]:
        """The trials that are running, says the storage, and whose worker is gone."""
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in running if not self._lives(trial.user_attrs.get("worker"))]

    def tidy(self) -> None:
        """Remove what killed workers left."""
        for path in (self.folder / "workers").glob("*"):
            self._lives(path.name)

    def _lives(self, worker: str | None) -> bool:
        path = self.folder / "workers" / (worker or "nobody")
        try:
            with locks.exclusive(path, busy="it lives") if path.exists() else contextlib.nullcontext():
                path.unlink(missing_ok=True)
                return False
        except locks.Busy:
            return True


class Database:
    """The storage of studies in a PostgreSQL database, where workers of many machines meet.

    `address` is a URL, postgresql://user@host/database. Raises `UserError` where the driver is missing, or the database
    cannot be reached within `patience` seconds.
    """

    kind = "postgresql"
    poll = 1.0

    def __init__(self, address: str, study: str, patience: float = 0.0):
        with extras.needed("postgres", "--storage postgresql://..."):
            import psycopg  # noqa: F401
        self._key = zlib.crc32(study.encode())
        self._last_failure = float("-inf")
        self._patience = patience
        opened = self.patiently(self._open, f"postgresql+psycopg://{address.split('://', 1)[1]}")
        self.optuna = optuna.storages.get_storage(opened)  # remembers trials that have ended
        self._database = opened
        self._patience = PATIENCE
        weakref.finalize(self, opened.engine.dispose)

    def _open(self, address: str) -> RDBStorage:
        alive = {"keepalives": 1, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of heartbeats
            engine = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10, **alive}}
            return RDBStorage(address, engine_kwargs=engine, heartbeat_interval=BEAT, grace_period=GRACE)

    def patiently(self, action: Callable[..., Value], *given) -> Value:
        """Do `action`, which bears being repeated, though the database is away. Raises `UserError` if it stays so."""
        import sqlalchemy.exc

        # The third is what Optuna runs into where it goes on in a transaction that the database dropped.
        passing = sqlalchemy.exc.OperationalError, sqlalchemy.exc.InterfaceError, sqlalchemy.exc.PendingRollbackError
        end = time.monotonic() + self._patience
        while True:
            try:
                return action(*given)
            except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
                error = error.__cause__ or error if not isinstance(error, sqlalchemy.exc.SQLAlchemyError) else error
                reason = (str(getattr(error, "orig", None) or error).strip().splitlines() or ["no reason given"])[0]
                lasting = not isinstance(error, passing)
                if time.monotonic() > end or (lasting and not getattr(error, "connection_invalidated", False)):
                    raise UserError(f"--storage: the database cannot be used: {reason}") from None
                if time.monotonic() - self._last_failure > GRACE:  # once for each time that it is away
                    print(f"{WAITING} ({reason})", file=sys.stderr, flush=True)
                self._last_failure = time.monotonic()
                time.sleep(0.5)

    def pause(self) -> None:
        """Wait for a moment."""
        time.sleep(self.poll)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Be the only process that plans or hands out trials, by a lock in the database."""
        import sqlalchemy

        with self._database.engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), {"key": self._key})
            yield
            connection.rollback()

    def tidy(self) -> None:
        """Killed workers leave nothing here."""

    def present(self, worker: str) -> AbstractContextManager[None]:
        """Be seen as a living worker: heartbeats do it here."""
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def beating(self, trial_id: int) -> Iterator[None]:
        """Have a trial that this process runs known as alive, as long as this lasts."""
        done = threading.Event()

        def beat() -> None:
            with contextlib.suppress(UserError):  # the database stayed away: the trial itself will meet it
                while not done.wait(BEAT):
                    self.patiently(lambda: done.is_set() or self.beat(trial_id))

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()

    def beat(self, trial_id: int) -> None:
        """Say that a trial is alive."""
        self._database.record_heartbeat(trial_id)

    def abandoned(self, study: optuna.Study) -> list[FrozenTrial]:
        """The trials that are running, says the storage, and whose worker is gone.

        There are none while the database has only just come back: nobody could have told it that he lives.
        """
        if time.monotonic() - self._last_failure < GRACE + BEAT:
            return []
        identifier = self.optuna.get_study_id_from_name(study.study_name)
        stale = self._database._get_stale_trial_ids(identifier)  # pyright: ignore[reportPrivateUsage]
        return [self.optuna.get_trial(i) for i in stale]


def check(address: str) -> None:
    """Raise `UserError` unless `address` is `journal`, or the URL of a PostgreSQL database, without a second @."""
    if address == "journal":
        return
    kind, _, rest = address.partition("://")
    if kind not in ("postgresql", "postgres", "postgresql+psycopg") or not rest:
        raise UserError(
            f"--storage must be journal, or a PostgreSQL address such as postgresql://user@host/database, "
            f"not {without_secrets(address)}"
        )
    try:
        sound = urlsplit(address).port != 0
    except ValueError:  # no number, or too large a one; an open bracket
        sound = False
    if not sound or rest.count("@") > 1 or not rest.isprintable():
        raise UserError(
            "--storage holds an address that cannot be read: give postgresql://user:password@host:port/database, "
            "with %40 for @, %2F for / and %3A for : in a password"
        )


def opened(address: str, folder: Path, patience: float = 0.0) -> "Journal | Database":
    """The storage of the study in `folder`, as --storage says."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # a database that is away, say, is told of in our own words
    return Journal(folder) if address == "journal" else Database(address, folder.name, patience)
