"""Confinement on PostgreSQL: a restricted role, a short transaction that knows the sender, cursors that only read."""

import select
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Literal

import psycopg
from psycopg.pq import TransactionStatus

from tools.confine import Database, Deadline, Parameters, Touched, Unprepared, Unusable
from tools.outcome import Conflict, Failed, Refused
from tools.postgres_diff import Changes
from tools.staged import Change
from tools.statement import Engine as Kind
from tools.statement import Statement

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]

_IDLE = 8
"""Connections that wait for the next call, for each credential; connecting costs some milliseconds."""
_LOCK_WAIT = 2000
_BEGIN = {
    "read": "BEGIN READ ONLY",
    # The rows that are shown are those of one moment.
    "stage": "BEGIN ISOLATION LEVEL REPEATABLE READ",
    # Two deliveries can't each pass a guard that the other's change would have made refuse.
    "apply": "BEGIN ISOLATION LEVEL SERIALIZABLE",
}
_SETTINGS = """
SELECT set_config('app.sender', coalesce($1, ''), true), set_config('app.customer', coalesce($2, ''), true),
       set_config('app.conversation', coalesce($3, ''), true), set_config('statement_timeout', $4, true),
       set_config('lock_timeout', $5, true),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                  WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)"""
_TIMEOUT = "SELECT set_config('statement_timeout', $1, true)"
_PROOF = "triaged_proof"


class PostgresEngine:
    """A PostgreSQL database; connections are kept between calls, transactions are not."""

    kind: Kind = "postgresql"

    def __init__(self, database: Database) -> None:
        self.database = database
        self._idle: dict[str, deque[Connection]] = {"read": deque(maxlen=_IDLE), "write": deque(maxlen=_IDLE)}
        self._closed = False

    def open(self) -> None:
        """Connect with both credentials."""
        try:
            for use in ("read", "write"):
                with self._lease(use) as connection:
                    connection.execute("SELECT 1")
        except psycopg.Error as error:
            raise Unusable(
                f"The database `{self.database.name}` can't be opened: {_first_line(error)}. Check its URL, "
                "the password and that the server runs."
            ) from error

    def prove(self, statement: Statement, *, writes: bool) -> Touched:
        """Prepare and plan in a read-only transaction: EXPLAIN also checks the privileges, and runs nothing."""
        deadline = Deadline(5)
        try:
            with self._begun("write" if writes else "read", "read", {}, deadline) as connection:
                try:
                    return _prove(connection, statement)
                finally:
                    connection.rollback()
                    connection.execute("DEALLOCATE ALL")
        except psycopg.Error as error:
            raise Unprepared(f"{_first_line(error)}.") from error

    @contextmanager
    def reading(self, touched: Touched, bound: Parameters, deadline: Deadline) -> Iterator["_Session"]:  # noqa: ARG002 - the role's grants say what may be touched
        """Begin a read-only transaction that knows the sender.

        What is sent waits for the first answer that is needed, so that a read costs two round trips.
        """
        with _told(deadline), self._lease("read") as connection:
            try:
                with connection.pipeline():
                    _begin(connection, "read", bound, deadline)
                    yield _Session(connection)
                    connection.execute("ROLLBACK")
            finally:
                _roll_back(connection)

    @contextmanager
    def writing(
        self,
        touched: Touched,  # noqa: ARG002 - as in `reading`
        bound: Parameters,
        deadline: Deadline,
        *,
        isolation: Literal["stage", "apply"],
    ) -> Iterator["_Transaction"]:
        """Begin a transaction with the write credential, and beside it one that still sees what is committed."""
        with (
            _told(deadline),
            self._begun("write", isolation, bound, deadline) as connection,
            self._begun("write", "read", bound, deadline) as before,
        ):
            yield _Transaction(connection, deadline, before=before)

    def close(self) -> None:
        """Close idle connections; those in use close when their call ends."""
        self._closed = True
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    @contextmanager
    def _begun(self, use: str, isolation: str, bound: Parameters, deadline: Deadline) -> Iterator[Connection]:
        with self._lease(use) as connection:
            try:
                with connection.pipeline():
                    _begin(connection, isolation, bound, deadline)
                yield connection
            finally:
                _roll_back(connection)

    @contextmanager
    def _lease(self, use: str) -> Iterator[Connection]:
        connection = self._waiting(use) or self._connect(use)
        try:
            yield connection
        finally:
            usable = not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE
            if usable and not self._closed and len(self._idle[use]) < _IDLE:
                self._idle[use].append(connection)
            else:
                connection.close()

    def _waiting(self, use: str) -> Connection | None:
        """An idle connection that the server has not closed meanwhile."""
        while self._idle[use]:
            try:
                connection = self._idle[use].pop()
            except IndexError:  # another thread took it
                return None
            watch = select.poll()
            watch.register(connection.fileno(), select.POLLIN)
            # An idle server says nothing, unless goodbye.
            if not watch.poll(0):
                return connection
            connection.close()
        return None

    def _connect(self, use: str) -> Connection:
        url = self.database.write_url if use == "write" and self.database.write_url else self.database.url
        return psycopg.connect(
            url.replace("postgresql+psycopg://", "postgresql://", 1),
            password=self.database.password,
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            connect_timeout=5,
            tcp_user_timeout=15_000,
            application_name="triaged",
            prepare_threshold=None,
        )


class _Session:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursors = count(1)

    def fetch(self, statement: Statement, parameters: Parameters, limit: int) -> list[dict[str, Any]]:
        return _dicts(self._ask(statement, parameters, limit))

    def _ask(self, statement: Statement, parameters: Parameters, limit: int) -> Cursor:
        """A cursor takes queries only, and does not let more rows out of the server than are asked for."""
        name = f"triaged_{next(self._cursors)}"
        declare = f"DECLARE {name} NO SCROLL CURSOR FOR {statement.sql}"
        self._connection.execute(declare, _values(statement, parameters))
        return self._connection.execute(f"FETCH FORWARD {limit:d} FROM {name}")


class _Transaction(_Session):
    def __init__(self, connection: Connection, deadline: Deadline, *, before: Connection) -> None:
        super().__init__(connection)
        self._deadline = deadline
        self._changes = Changes(connection, before)

    def fetch(self, statement: Statement, parameters: Parameters, limit: int) -> list[dict[str, Any]]:
        with _told(self._deadline):
            with self._connection.pipeline():
                self._connection.execute(_TIMEOUT, [_milliseconds(self._deadline)])
                cursor = self._ask(statement, parameters, limit)
            return _dicts(cursor)

    def execute(self, statement: Statement, parameters: Parameters) -> int:
        with _told(self._deadline):
            sql = f"{statement.sql} RETURNING {self._changes.returning(statement)}"
            with self._connection.pipeline():
                self._connection.execute(_TIMEOUT, [_milliseconds(self._deadline)])
                cursor = self._connection.execute(sql, _values(statement, parameters))
            keys = cursor.fetchall()
            self._changes.note(statement, keys)
            return len(keys)

    def changes(self) -> tuple[Change, ...]:
        with _told(self._deadline):
            self._connection.execute(_TIMEOUT, [_milliseconds(self._deadline)])
            return self._changes.take()

    def own(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with _told(self._deadline):
            cursor = self._connection.execute(sql, [None if value is None else str(value) for value in values])
            return cursor.fetchall() if cursor.description else []

    def commit(self) -> None:
        with _told(self._deadline):
            self._connection.execute("COMMIT")


def _begin(connection: Connection, isolation: str, bound: Parameters, deadline: Deadline) -> None:
    timeout = _milliseconds(deadline)
    sender = [bound.get(name) for name in ("sender", "customer", "conversation")]
    connection.execute(_BEGIN[isolation])
    connection.execute(_SETTINGS, [*sender, timeout, str(min(int(timeout), _LOCK_WAIT))])


def _roll_back(connection: Connection) -> None:
    if not connection.closed and connection.info.transaction_status != TransactionStatus.IDLE:
        try:
            connection.rollback()
        except psycopg.Error:
            connection.close()  # the server forgets a transaction whose connection is gone


def _prove(connection: Connection, statement: Statement) -> Touched:
    connection.execute(f"PREPARE {_PROOF} AS {statement.sql}")
    described = connection.pgconn.describe_prepared(_PROOF.encode())
    columns = tuple((described.fname(number) or b"").decode() for number in range(described.nfields))
    # With a custom plan the planner would see the NULLs, and leave out the tables that they make irrelevant.
    connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    nothing = f"({', '.join(['NULL'] * described.nparams)})" if described.nparams else ""
    found = connection.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE {_PROOF}{nothing}").fetchone()
    assert found is not None
    nodes = list(_nodes(found[0][0]["Plan"]))
    if statement.verb == "select" and any(node["Node Type"] == "ModifyTable" for node in nodes):
        raise Unprepared("The query changes rows.")
    tables = {(str(node["Relation Name"]), "") for node in nodes if "Relation Name" in node}
    if statement.verb == "select":
        return Touched(read=frozenset(tables), columns=columns)
    changes = Changes(connection, connection)
    if problem := changes.problem(statement):
        raise Unprepared(problem)
    held = changes.held(statement)
    return Touched(read=frozenset(tables), written=frozenset(table for table, _ in held), held=held)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _dicts(cursor: Cursor) -> list[dict[str, Any]]:
    rows = cursor.fetchall()
    names = [column.name for column in reversed(cursor.description or ())]
    return [dict(zip(names, reversed(row), strict=True)) for row in rows]


def _values(statement: Statement, parameters: Parameters) -> list[str | None]:
    """All as text of no stated type: the server infers the types as it did when the statement was proven."""
    return [_text(parameters[name]) for name in statement.names]


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _milliseconds(deadline: Deadline) -> str:
    return str(max(1, int(deadline.left() * 1000)))


@contextmanager
def _told(deadline: Deadline) -> Iterator[None]:
    """Errors of the driver as ours."""
    try:
        yield
    except (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected) as error:
        raise Conflict(f"{_first_line(error)}.") from error
    except psycopg.errors.QueryCanceled as error:
        raise Failed(f"The database took longer than {deadline.seconds:g} s.") from error
    except (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.RaiseException) as error:
        raise Refused(f"The database refuses: {_first_line(error)}.") from error
    except psycopg.errors.InsufficientPrivilege as error:
        if "row-level security" in str(error):
            raise Refused(f"The database refuses: {_first_line(error)}.") from error
        raise Failed(f"The credential may not do this: {_first_line(error)}.") from error
    except psycopg.Error as error:
        raise Failed(f"The database could not answer: {_first_line(error)}.") from error


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error).partition("\n")[0] or type(error).__name__).rstrip(".")
