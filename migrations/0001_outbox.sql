-- oldest code: 1
--
-- The outbox: a log of rows that never change, and one cursor per lane.
-- docs/table-contract.md describes what other writers may rely on.

CREATE TABLE outbox_meta (
  one              INTEGER PRIMARY KEY CHECK (one = 1),
  outbox_id        TEXT    NOT NULL CHECK (length(outbox_id) = 36),
  incarnation      TEXT    NOT NULL CHECK (length(incarnation) = 36),
  lanes            INTEGER NOT NULL CHECK (lanes BETWEEN 1 AND 256),
  created_at       INTEGER NOT NULL,
  -- the relay's heartbeat, once a second while it is active
  relay_owner      TEXT,
  relay_phase      TEXT    CHECK (relay_phase IN ('running', 'stopped')),
  relay_at         INTEGER,
  relay_circuit    TEXT    CHECK (relay_circuit IN ('closed', 'open')),
  relay_rate       REAL    CHECK (relay_rate >= 0)
) STRICT;

-- AUTOINCREMENT is load-bearing: a seq that is used again would be taken for delivered.
CREATE TABLE outbox_events (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT CHECK (seq > 0),
  id         TEXT    NOT NULL CHECK (length(id) = 36),
  topic      TEXT    NOT NULL CHECK (length(topic) BETWEEN 1 AND 249),
  lane       INTEGER NOT NULL CHECK (lane BETWEEN 0 AND 255),
  created_at INTEGER NOT NULL,
  partition  INTEGER CHECK (partition >= 0),
  retries    INTEGER CHECK (retries >= 0),
  delay_ms   INTEGER CHECK (delay_ms >= 0),
  -- the large columns come last: reading the small ones does not walk their overflow pages
  headers    TEXT,
  key        BLOB,
  value      BLOB
) STRICT;

-- A row in a lane that does not exist would never be read: other writers are told at once.
CREATE TRIGGER outbox_events_lane BEFORE INSERT ON outbox_events
WHEN NEW.lane >= (SELECT lanes FROM outbox_meta)
BEGIN
  SELECT RAISE(ABORT, 'lane is not below outbox_meta.lanes');
END;

-- seq is the rowid and therefore the second column of this index.
CREATE INDEX outbox_events_by_lane ON outbox_events (lane);

CREATE TABLE outbox_lanes (
  lane             INTEGER PRIMARY KEY CHECK (lane BETWEEN 0 AND 255),
  cursor           INTEGER NOT NULL DEFAULT 0 CHECK (cursor >= 0),
  owner            TEXT,
  fence            INTEGER NOT NULL DEFAULT 0 CHECK (fence >= 0),
  renewals         INTEGER NOT NULL DEFAULT 0 CHECK (renewals >= 0),
  open             INTEGER NOT NULL DEFAULT 0 CHECK (open IN (0, 1)),
  send_no          INTEGER NOT NULL DEFAULT 0 CHECK (send_no >= 0),
  failures         INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
  next_attempt_at  INTEGER,
  last_error       TEXT,
  paused           INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
  delivered        INTEGER NOT NULL DEFAULT 0 CHECK (delivered >= 0),
  delivered_by_job INTEGER NOT NULL DEFAULT 0 CHECK (delivered_by_job BETWEEN 0 AND delivered),
  held             INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  rounds_used_up   INTEGER NOT NULL DEFAULT 0 CHECK (rounds_used_up >= 0)
) STRICT;

CREATE TABLE outbox_held (
  seq             INTEGER PRIMARY KEY CHECK (seq > 0),
  lane            INTEGER NOT NULL CHECK (lane BETWEEN 0 AND 255),
  topic           TEXT    NOT NULL,
  order_key       BLOB,
  state           TEXT    NOT NULL CHECK (state IN ('retrying', 'blocked', 'dead')),
  attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at INTEGER,
  send_no         INTEGER CHECK (send_no > 0),
  code            TEXT,
  message         TEXT,
  first_failed_at INTEGER,
  last_failed_at  INTEGER
) STRICT;

CREATE INDEX outbox_held_by_key ON outbox_held (topic, order_key, seq);

CREATE TABLE outbox_stops (
  topic           TEXT    NOT NULL,
  partition       INTEGER NOT NULL DEFAULT -1 CHECK (partition >= -1), -- -1: the whole topic
  reason          TEXT    NOT NULL,
  attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at INTEGER,
  PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox_dedupe (
  key        TEXT    PRIMARY KEY CHECK (length(key) BETWEEN 1 AND 512),
  seq        INTEGER NOT NULL,
  id         TEXT    NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_dedupe_by_expiry ON outbox_dedupe (expires_at);

-- Partition count of a topic as first seen: keys keep their partition when a topic grows.
CREATE TABLE outbox_topics (
  topic      TEXT    PRIMARY KEY,
  partitions INTEGER NOT NULL CHECK (partitions > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox_audit (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  at     INTEGER NOT NULL,
  actor  TEXT    NOT NULL,
  verb   TEXT    NOT NULL,
  reason TEXT,
  detail TEXT    NOT NULL
) STRICT;

CREATE VIEW outbox_event_status AS
SELECT e.seq, e.id, e.topic, e.lane, e.created_at,
       CASE WHEN h.state IS NOT NULL THEN h.state
            WHEN e.seq <= l.cursor   THEN 'delivered'
            ELSE 'pending' END AS status
FROM outbox_events e
LEFT JOIN outbox_lanes l ON l.lane = e.lane
LEFT JOIN outbox_held  h ON h.seq = e.seq;
