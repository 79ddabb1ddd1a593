"""Closes what belongs to a person under that person's key, and makes look-up values that reveal nothing.

An envelope is `version (1) · key id (2) · nonce (12) · AES-256-GCM ciphertext`; the associated data name the column and
the row, so that a sealed value can't be moved to another place. Person keys are wrapped by the master key and live
in a database of their own, so that a copy of the store without them is unreadable and erasing one key erases a person.
"""

import hashlib
import hmac
import os
import secrets
import threading
from pathlib import Path

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daemon.errors import Sealed, StoreUnusable

INSTALLATION = "installation"
"""The person id of what belongs to nobody."""
_VERSION = 1
_KEY_ID = 1
_BATCH = 64

_metadata = sa.MetaData()
_keys = sa.Table(
    "person_keys",
    _metadata,
    sa.Column("person_id", sa.String, primary_key=True),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
)


def new_id() -> str:
    """A new identifier: 12 characters without look-alikes, 60 bits from the system's source of randomness."""
    return "".join(secrets.choice("0123456789abcdefghjkmnpqrstvwxyz") for _ in range(12))


def make_master_key(path: Path) -> None:
    """Write a new master key with mode 0640, unless there is one."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), 0o640)  # whatever our umask says: reviewers read it through their group
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())


def read_master_key(path: Path) -> bytes:
    """Read the master key.

    Raises:
        StoreUnusable: it is missing, unreadable or not 32 octets.
    """
    try:
        key = path.read_bytes()
    except OSError as error:
        raise StoreUnusable(
            f"The master key {path} can't be read: {error.strerror}. Run `triaged db upgrade` to make a new store, "
            "or restore the key from your backup."
        ) from error
    if len(key) != 32:  # noqa: PLR2004 - AES-256
        raise StoreUnusable(
            f"The master key {path} is damaged: it has {len(key)} octets, not 32. Restore it from your backup."
        )
    return key


class Vault:
    """Seals and opens; thread-safe."""

    def __init__(self, engine: sa.Engine, master: bytes) -> None:
        self._engine = engine
        self._master = AESGCM(master)
        self._lock = threading.Lock()
        self._known: dict[str, AESGCM] = {}
        self._unused: list[str] = []
        _metadata.create_all(engine)
        self._mac_key = self._installation_key()

    def _installation_key(self) -> bytes:
        with self._engine.begin() as connection:
            found = connection.execute(sa.select(_keys.c.wrapped).where(_keys.c.person_id == INSTALLATION)).scalar()
            if found is None:
                found = self._wrap(INSTALLATION, secrets.token_bytes(32))
                connection.execute(_keys.insert().values(person_id=INSTALLATION, wrapped=found))
        key = self._unwrap(INSTALLATION, found)
        self._known[INSTALLATION] = AESGCM(self.derive_from(key, "seal"))
        return self.derive_from(key, "mac")

    @staticmethod
    def derive_from(key: bytes, purpose: str) -> bytes:
        """A key for one purpose only."""
        return hmac.new(key, purpose.encode(), hashlib.sha256).digest()

    def _wrap(self, person_id: str, key: bytes) -> bytes:
        nonce = secrets.token_bytes(12)
        return nonce + self._master.encrypt(nonce, key, person_id.encode())

    def _unwrap(self, person_id: str, wrapped: bytes) -> bytes:
        try:
            return self._master.decrypt(wrapped[:12], wrapped[12:], person_id.encode())
        except InvalidTag:
            raise StoreUnusable(
                "The master key does not open this store. Restore the master key that belongs to it."
            ) from None

    @property
    def mark_key(self) -> bytes:
        """The key of Message-IDs and loop tokens (`daemon.marks`)."""
        return self.derive_from(self._mac_key, "marks")

    def new_person(self) -> str:
        """The id of a person nobody has yet; its key is committed. Keys are made in batches: one commit for 64."""
        with self._lock:
            if not self._unused:
                batch = [new_id() for _ in range(_BATCH)]
                rows = [{"person_id": name, "wrapped": self._wrap(name, secrets.token_bytes(32))} for name in batch]
                with self._engine.begin() as connection:
                    connection.execute(_keys.insert(), rows)
                self._unused = batch
            return self._unused.pop()

    def _cipher(self, person_id: str) -> AESGCM:
        with self._lock:
            known = self._known.get(person_id)
        if known is not None:
            return known
        with self._engine.connect() as connection:
            wrapped = connection.execute(sa.select(_keys.c.wrapped).where(_keys.c.person_id == person_id)).scalar()
        if wrapped is None:
            raise Sealed("This was sealed for a person whose key was erased. It can't be read any more.")
        cipher = AESGCM(self._unwrap(person_id, wrapped))
        with self._lock:
            if len(self._known) > 10_000:  # noqa: PLR2004 - some megabytes at most
                self._known = {INSTALLATION: self._known[INSTALLATION]}
            self._known[person_id] = cipher
        return cipher

    def seal(self, person_id: str, kind: str, row_id: str, content: bytes) -> bytes:
        """Seal `content` for the column `kind` (`table.column`) of row `row_id`.

        Raises:
            Sealed: the person's key was erased.
        """
        nonce = secrets.token_bytes(12)
        head = bytes([_VERSION]) + _KEY_ID.to_bytes(2, "big") + nonce
        return head + self._cipher(person_id).encrypt(nonce, content, f"{kind}:{row_id}".encode())

    def open(self, person_id: str, kind: str, row_id: str, envelope: bytes) -> bytes:
        """Open what `seal` closed.

        Raises:
            Sealed: erased, damaged, or sealed for another place.
        """
        if envelope[:1] != bytes([_VERSION]):
            raise Sealed(f"The sealed value in {kind} has an unknown version. Upgrade triaged.")
        try:
            return self._cipher(person_id).decrypt(envelope[3:15], envelope[15:], f"{kind}:{row_id}".encode())
        except InvalidTag:
            raise Sealed(
                f"The sealed value in {kind} of {row_id} is damaged or was moved. Run `triaged audit verify`."
            ) from None

    def erase(self, person_id: str) -> None:
        """Destroy a person's key: nothing sealed for that person can be read again (promise P14)."""
        with self._engine.begin() as connection:
            connection.execute(_keys.delete().where(_keys.c.person_id == person_id))
        with self._lock:
            self._known.pop(person_id, None)

    def mac(self, purpose: str, value: str) -> str:
        """A keyed look-up value: equal for equal inputs, and it says nothing without the installation key."""
        return hmac.new(self._mac_key, f"{purpose}\0{value}".encode(), hashlib.sha256).hexdigest()[:32]
