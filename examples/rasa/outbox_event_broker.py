"""An event broker for a Rasa that stays in Python: its events go into an outbox file.

A relay of outbox-relay, a process of its own on the same host, brings them to Kafka. publish()
returns when the event is on the disk, and asks neither Kafka nor Redis. README.md beside this file
says how to use it; docs/table-contract.md is what it keeps to. Standard library only.
"""

import base64
import json
import logging
import os
import re
import sqlite3
import threading
import time
import zlib

try:
    from rasa.core.brokers.broker import EventBroker
except ImportError:  # without Rasa it is a class like any other
    EventBroker = object

logger = logging.getLogger(__name__)

# Before this version SQLite can damage a WAL file when two connections checkpoint at once.
SAFE_CHECKPOINTS = (3, 51, 3)
# The tables are STRICT.
STRICT_TABLES = (3, 37)
# Kafka's own rule; what has another topic would be set aside for ever.
TOPIC = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")
# Kafka takes 1,048,588 bytes with everything around them; a larger record would be refused.
EVENT_BYTES_MAX = 1_000_000
# How long another writer is waited for, seconds. publish() blocks meanwhile, as Rasa calls it.
BUSY_SECONDS = 10.0


class OutboxError(Exception):
    """The outbox file cannot be used; the message says what to do."""


class OutboxEventBroker(EventBroker):
    """Writes Rasa's events into an outbox file.

    Args:
        outbox_path: The SQLite file; `outbox-relay migrate --db FILE --lanes 1` makes it.
        topic: Kafka topic of the events.
        partition_by_sender: Whether the record's key is the event's `sender_id`.
        kwargs: Whatever else the endpoints.yml says, for the relay: url, redis_url, sasl_*, …

    Raises:
        OutboxError: There is no such file, no outbox in it, or the topic is none of Kafka's.
    """

    def __init__(
        self,
        outbox_path="./rasa-events.db",
        topic="rasa_core_events",
        partition_by_sender=False,
        **kwargs,
    ):
        if not isinstance(topic, str) or not TOPIC.fullmatch(topic):
            raise OutboxError(f"{topic!r} is not a legal topic name")
        self.topic = topic
        self.partition_by_sender = flag_of(partition_by_sender)
        self._environment = None
        self._lock = threading.Lock()
        self._db = open_outbox(outbox_path)

    @classmethod
    async def from_endpoint_config(cls, broker_config, event_loop=None):
        """As Rasa calls it, with the `event_broker:` of the endpoints.yml; None gives None."""
        if broker_config is None:
            return None
        return cls(**broker_config.kwargs)

    @property
    def rasa_environment(self):
        """RASA_ENVIRONMENT as it was at the first look; empty means no header."""
        if self._environment is None:
            self._environment = os.environ.get("RASA_ENVIRONMENT", "RASA_ENVIRONMENT_NOT_SET")
        return self._environment

    def publish(self, event, retries=None, retry_delay_in_seconds=None):
        """Stores the event; it is on the disk when this returns.

        Args:
            event: What Rasa hands over.
            retries: Tries of this event after a refusal by Kafka; None: the relay's.
            retry_delay_in_seconds: Seconds between them; None: the relay's.

        Raises:
            ValueError, TypeError: No event, a large one, or without the sender_id that is the key.
            sqlite3.Error: It could not be stored. After an I/O error of the COMMIT alone (`disk I/O
                error`) it may be there all the same.
        """
        value = json.dumps(event).encode("utf-8")
        key = sender_of(event) if self.partition_by_sender else None
        if len(value) + len(key or b"") > EVENT_BYTES_MAX:
            raise ValueError(f"the event has {len(value)} bytes, {EVENT_BYTES_MAX} are allowed")
        headers = None
        if self.rasa_environment:
            headers = json.dumps([["RASA_ENVIRONMENT", base64_of(self.rasa_environment)]])
        delay_ms = None if retry_delay_in_seconds is None else round(retry_delay_in_seconds * 1000)
        event_id, now_ms = uuid7()
        row = (event_id, self.topic, now_ms, retries, delay_ms, headers, key, value)
        with self._lock:
            self._insert(event_id, key, row)

    def _insert(self, event_id, key, row):
        # IMMEDIATE: the number of lanes that is read here cannot change before the COMMIT.
        try:
            self._db.execute("BEGIN IMMEDIATE")
            (lanes,) = self._db.execute("SELECT lanes FROM outbox_meta").fetchone()
            self._db.execute(
                "INSERT INTO outbox_events"
                " (id, topic, created_at, retries, delay_ms, headers, key, value, lane)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, lane_of(self.topic, key, event_id, lanes)),
            )
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def is_ready(self):
        """Whether the file takes events. What Kafka does is the relay's to say."""
        try:
            with self._lock:
                try:
                    self._db.execute("BEGIN IMMEDIATE")
                finally:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
            return True
        except sqlite3.Error as error:
            logger.warning("The outbox does not take events: %s", error)
            return False

    async def close(self):
        """Closes the file. Nothing is left to flush: what was published is stored."""
        with self._lock:
            self._db.close()


def open_outbox(path):
    """A connection that commits as the table contract asks for."""
    if sqlite3.sqlite_version_info < STRICT_TABLES:
        raise OutboxError(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or later is needed")
    # One lane: events without a key have no order but that of their lane.
    command = f"outbox-relay migrate --db {path} --lanes 1"
    if not os.path.isfile(path):
        raise OutboxError(f"{path}: no such file; run `{command}` first")
    # The lock above lets one thread in at a time; transactions are begun and ended by hand.
    db = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("SELECT lanes FROM outbox_meta").fetchone()
        mode = db.execute("PRAGMA journal_mode").fetchone()[0]
        if mode != "wal":
            raise OutboxError(f"{path}: is in journal mode {mode} and must be in wal")
    except sqlite3.Error as error:
        db.close()
        raise OutboxError(f"{path}: has no outbox ({error}); run `{command}` first") from error
    except OutboxError:
        db.close()
        raise
    db.execute("PRAGMA synchronous=FULL")
    if sqlite3.sqlite_version_info < SAFE_CHECKPOINTS:
        db.execute("PRAGMA wal_autocheckpoint=0")
    return db


def flag_of(value):
    """A ${VARIABLE} of the endpoints.yml is text."""
    text = str(value if value is not None else False).lower()
    if text not in ("true", "false"):
        raise OutboxError(f"partition_by_sender must be true or false, not {value!r}")
    return text == "true"


def sender_of(event):
    sender = event.get("sender_id")
    if not isinstance(sender, str):
        raise ValueError("the event has no sender_id; partition_by_sender needs it as the key")
    return sender.encode("utf-8")


def lane_of(topic, key, event_id, lanes):
    if key is None:
        return zlib.crc32(event_id.encode()) % lanes
    return zlib.crc32(topic.encode() + b"\0" + key) % lanes


def base64_of(text):
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


def uuid7():
    """A UUIDv7 as text, and its milliseconds since the epoch."""
    now_ms = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    number = now_ms << 80 | random
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    digits = f"{number:032x}"
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(parts), now_ms
