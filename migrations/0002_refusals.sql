-- oldest code: 2
--
-- Refusals: events that are set aside, stops of topics, pauses, and what was delivered where.
-- Older code would send past an event that is held, so it may not go on.

ALTER TABLE outbox_lanes ADD COLUMN
  -- grows with every act of an operator: the owner of the lane then reads again what is held
  held_revision INTEGER NOT NULL DEFAULT 0 CHECK (held_revision >= 0);
ALTER TABLE outbox_lanes ADD COLUMN
  -- events that an operator took out: skipped or purged
  removed INTEGER NOT NULL DEFAULT 0 CHECK (removed >= 0);

-- Until now nothing was written to these two.
DROP TABLE outbox_held;
DROP TABLE outbox_stops;

-- Of one key the first held event is its head, `retrying` or `dead`; those behind it are `blocked`.
-- A `blocked` event without a head waits for a stop of its topic. `skipped` is final.
CREATE TABLE outbox_held (
  seq             INTEGER PRIMARY KEY CHECK (seq > 0),
  lane            INTEGER NOT NULL CHECK (lane BETWEEN 0 AND 255),
  topic           TEXT    NOT NULL,
  partition       INTEGER CHECK (partition >= 0), -- NULL: not known when it was held
  order_key       BLOB,
  state           TEXT    NOT NULL CHECK (state IN ('retrying', 'blocked', 'dead', 'skipped')),
  attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at INTEGER, -- of a dead one: when its copy goes to the dead-letter topic
  send_no         INTEGER CHECK (send_no > 0), -- while a send of it is outstanding
  code            TEXT,
  message         TEXT,
  first_failed_at INTEGER,
  last_failed_at  INTEGER
) STRICT;

CREATE INDEX outbox_held_by_key ON outbox_held (topic, order_key, seq);
CREATE INDEX outbox_held_by_lane ON outbox_held (lane, topic, seq);
CREATE INDEX outbox_held_due ON outbox_held (lane, next_attempt_at)
WHERE next_attempt_at IS NOT NULL;
CREATE INDEX outbox_held_dead ON outbox_held (lane, seq) WHERE state = 'dead';
CREATE INDEX outbox_held_sending ON outbox_held (lane) WHERE send_no IS NOT NULL;

-- A topic, or one of its partitions, that a lane cannot send to for now.
CREATE TABLE outbox_stops (
  lane            INTEGER NOT NULL CHECK (lane BETWEEN 0 AND 255),
  topic           TEXT    NOT NULL,
  partition       INTEGER NOT NULL DEFAULT -1 CHECK (partition >= -1), -- -1: the whole topic
  code            TEXT    NOT NULL, -- Kafka's; PAUSED when an operator asked for it
  message         TEXT    NOT NULL,
  since           INTEGER NOT NULL,
  attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  next_attempt_at INTEGER,
  -- 1: it is over, and what it held goes first
  draining        INTEGER NOT NULL DEFAULT 0 CHECK (draining IN (0, 1)),
  PRIMARY KEY (lane, topic, partition)
) STRICT, WITHOUT ROWID;

-- Topics that an operator has paused. A paused lane has outbox_lanes.paused.
CREATE TABLE outbox_pauses (
  topic TEXT    PRIMARY KEY,
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where delivered events are: one row per batch and topic-partition, for `verify`.
CREATE TABLE outbox_ledger (
  id           INTEGER PRIMARY KEY,
  at           INTEGER NOT NULL,
  lane         INTEGER NOT NULL CHECK (lane BETWEEN 0 AND 255),
  topic        TEXT    NOT NULL,
  partition    INTEGER NOT NULL CHECK (partition >= 0),
  first_seq    INTEGER NOT NULL CHECK (first_seq > 0),
  last_seq     INTEGER NOT NULL CHECK (last_seq >= first_seq),
  events       INTEGER NOT NULL CHECK (events > 0),
  first_offset INTEGER CHECK (first_offset >= 0), -- NULL: the client did not tell
  last_offset  INTEGER CHECK (last_offset >= first_offset)
) STRICT;

CREATE INDEX outbox_ledger_by_time ON outbox_ledger (at);

DROP VIEW outbox_event_status;
CREATE VIEW outbox_event_status AS
SELECT e.seq, e.id, e.topic, e.lane, e.created_at,
       CASE WHEN h.state IS NOT NULL THEN h.state
            WHEN e.seq <= l.cursor   THEN 'delivered'
            ELSE 'pending' END AS status
FROM outbox_events e
LEFT JOIN outbox_lanes l ON l.lane = e.lane
LEFT JOIN outbox_held  h ON h.seq = e.seq;
