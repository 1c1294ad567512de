"""The vector index: which chunks exist, in one SQLite file with sqlite-vec."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import TYPE_CHECKING

# Many Pythons are built without SQLite's extension loading; apsw brings an SQLite that has it.
import apsw

from milepost_pipeline.content import FileRef
from milepost_pipeline.objects import StorageUnavailableError
from milepost_pipeline.text import ChunkedText
from milepost_pipeline.vectors import DIMENSIONS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_RESULTS = 100

_BUSY_TIMEOUT_MS = 10_000
_SETUP = f"""
pragma journal_mode = wal;
pragma synchronous = full;
create table if not exists files (
    id integer primary key,
    organization_id text not null,
    store_id text not null,
    file_id text not null,
    name text not null default '',
    attempt integer not null,
    is_deleted integer not null default 0,
    unique (organization_id, store_id, file_id)
) strict;
create table if not exists chunks (
    id integer primary key,
    file integer not null references files (id),
    text text not null,
    start integer not null,
    end integer not null,
    page integer
) strict;
create index if not exists chunks_of_file on chunks (file);
create virtual table if not exists vectors using vec0 (
    chunk integer primary key,
    store text partition key,
    embedding float[{DIMENSIONS}] distance_metric=cosine
);
"""
_UNAVAILABLE = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ReadOnlyError,
)


@dataclass(frozen=True)
class Hit:
    """A chunk that answers a question; `score` is the cosine similarity, at most 1."""

    score: float
    file_id: str
    store_id: str
    name: str
    text: str
    start: int
    end: int
    page: int | None


class VectorIndex:
    """Chunks by meaning. Each write is one durable transaction; any thread or process may call.

    All methods raise StorageUnavailableError when the disk does not do its work.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(
        self, file: FileRef, attempt: int, document: ChunkedText, vectors: "NDArray[np.float32]"
    ) -> bool:
        """Replace the file's chunks; return False after a newer attempt or a deletion."""
        with self._transaction() as db:
            row = _claim(db, file, attempt)
            if row is None:
                return False
            _remove_chunks(db, row)
            db.execute("update files set name = ? where id = ?", (document.name, row))
            for chunk, vector in zip(document.chunks, vectors, strict=True):
                db.execute(
                    "insert into chunks (file, text, start, end, page) values (?, ?, ?, ?, ?)",
                    (row, chunk.text, chunk.start, chunk.end, chunk.page),
                )
                db.execute(
                    "insert into vectors (chunk, store, embedding) values (?, ?, ?)",
                    (db.last_insert_rowid(), _partition(file), vector.tobytes()),
                )
            return True

    def remove(self, file: FileRef) -> None:
        """Remove the file's chunks and refuse every later write."""
        with self._transaction() as db:
            row = _claim(db, file, 0)
            if row is not None:
                _remove_chunks(db, row)
                db.execute("update files set is_deleted = 1, name = '' where id = ?", (row,))

    def search(
        self, organization_id: str, store_id: str, vector: "NDArray[np.float32]", limit: int
    ) -> list[Hit]:
        """Return the nearest chunks of the store, best first, at most `MAX_RESULTS`."""
        place = _partition(FileRef(organization_id, store_id, ""))
        with self._connection() as db:
            rows = db.execute(
                """
                with nearest as (
                    select chunk, distance from vectors
                    where embedding match ? and k = ? and store = ?
                )
                select 1 - distance, file_id, store_id, name, text, start, end, page
                from nearest join chunks on chunks.id = chunk join files on files.id = chunks.file
                order by distance, chunks.id
                """,
                (vector.tobytes(), min(limit, MAX_RESULTS), place),
            )
            # A text without a known word has no direction, hence no distance.
            return [Hit(*row) for row in rows if row[0] is not None]

    @contextmanager
    def _connection(self) -> Iterator[apsw.Connection]:
        import sqlite_vec  # noqa: PLC0415  brings numpy, 0.3 s that most commands need not wait

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            db = apsw.Connection(str(self._path))
            try:
                db.set_busy_timeout(_BUSY_TIMEOUT_MS)
                db.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1)
                db.load_extension(sqlite_vec.loadable_path())
                self._set_up(db)
                yield db
            finally:
                db.close()
        except (*_UNAVAILABLE, OSError) as error:
            raise StorageUnavailableError(f"index {self._path}: {error}") from error

    def _set_up(self, db: apsw.Connection) -> None:
        """One after the other: SQLite waits for nobody when it changes the mode of its journal."""
        with self._path.with_suffix(".lock").open("wb") as lock:
            flock(lock, LOCK_EX)
            db.execute(_SETUP).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        with self._connection() as db:
            db.execute("begin immediate")
            try:
                yield db
                db.execute("commit")
            finally:
                if db.in_transaction:
                    db.execute("rollback")


def _partition(file: FileRef) -> str:
    return f"{file.organization_id}/{file.store_id}"


def _claim(db: apsw.Connection, file: FileRef, attempt: int) -> int | None:
    """Raise the file's newest attempt; return its row, or None where the attempt is too old."""
    ids = (file.organization_id, file.store_id, file.file_id)
    db.execute(
        "insert into files (organization_id, store_id, file_id, attempt) values (?, ?, ?, ?)"
        " on conflict do nothing",
        (*ids, attempt),
    )
    row = db.execute(
        "update files set attempt = max(attempt, ?1)"
        " where organization_id = ?2 and store_id = ?3 and file_id = ?4"
        " and is_deleted = 0 and (attempt <= ?1 or ?1 = 0) returning id",
        (attempt, *ids),
    ).get
    return row if isinstance(row, int) else None


def _remove_chunks(db: apsw.Connection, row: int) -> None:
    db.execute("delete from vectors where chunk in (select id from chunks where file = ?)", (row,))
    db.execute("delete from chunks where file = ?", (row,))
