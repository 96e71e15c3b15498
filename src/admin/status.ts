/** How an outbox and its relay are: from the file alone, at any backlog, without counting rows. */
import type { Clock } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import type { StopFacts } from '../outbox/held.ts';
import type { CircuitState, LaneFailure, OutboxStore, OutboxSummary } from '../outbox/store.ts';

/** A heartbeat is written once a second; this much later its relay is not running as it should. */
const staleMs = 5_000;

/** How far one lane is, and why it stands still if it does. */
export interface LaneStatus {
  readonly lane: number;
  readonly cursor: number;
  readonly delivered: number;
  /** Failed drains in a row. */
  readonly failures: number;
  /** Why the lane does not move: code, topic, and the seq of a refused event. */
  readonly failure: LaneFailure | null;
}

/** A stop, and what waits for it. */
export interface StopStatus extends StopFacts {
  /** Held events of its topic, whatever they wait for; counted up to 10,000. */
  readonly held: number;
}

/** The JSON of `outbox-relay status --json`. */
export interface OutboxStatus {
  readonly outboxId: string;
  /** `stale`: a relay that said it was running has been silent for 5 s, or its process is gone. */
  readonly relay: 'running' | 'stale' | 'none';
  readonly accepted: number;
  readonly delivered: number;
  readonly pending: number;
  /** Set aside: retrying, blocked behind one of their key or a stop, or dead. */
  readonly held: number;
  /** Of the held ones: refused, and tried again; counted up to 10,000. */
  readonly retrying: number;
  /** Of the held ones: behind one of their key or a stop; `null` when the others are too many. */
  readonly blocked: number | null;
  /** Of the held ones: they wait for an operator; counted up to 10,000. */
  readonly dead: number;
  /** Skipped or purged by an operator. */
  readonly removed: number;
  /** Topics and partitions that take no events for now. */
  readonly stops: readonly StopStatus[];
  readonly pausedTopics: readonly string[];
  readonly pausedLanes: readonly number[];
  readonly oldestPendingAgeMs: number | null;
  /** Delivered events per second, averaged over the last seconds; 0 without a running relay. */
  readonly ratePerSecond: number;
  /** `null` when nothing moves. */
  readonly secondsToEmpty: number | null;
  /** `null` without a running relay. */
  readonly circuit: CircuitState | null;
  /** Events that a BullMQ job's processor sent; the others came from the sweep. */
  readonly deliveredByJob: number;
  /** Rounds of retries that were used up; none of them dropped anything. */
  readonly roundsUsedUp: number;
  readonly lanes: readonly LaneStatus[];
}

export function readStatus(store: OutboxStore, clock: Clock): OutboxStatus {
  const summary = store.summary();
  const { accepted, delivered, pending, held, removed, oldestPendingAtMs, lanes } = summary;
  const { retrying, dead, pausedTopics } = summary;
  const counted = Math.max(retrying, dead) < limits.heldCountMax;
  const relay = relayState(summary, store, clock.now());
  const ratePerSecond = relay === 'running' ? (summary.heartbeat?.ratePerSecond ?? 0) : 0;
  const total = (field: 'deliveredByJob' | 'roundsUsedUp') =>
    lanes.reduce((sum, lane) => sum + lane[field], 0);
  return {
    outboxId: summary.identity.outboxId,
    relay,
    accepted,
    delivered,
    pending,
    held,
    retrying,
    blocked: counted ? Math.max(0, held - retrying - dead) : null,
    dead,
    removed,
    stops: summary.stops.map((stop) => ({ ...stop, held: store.countHeld(stop.topic) })),
    pausedTopics,
    pausedLanes: lanes.flatMap(({ lane, paused }) => (paused ? [lane] : [])),
    oldestPendingAgeMs:
      oldestPendingAtMs === null ? null : Math.max(0, clock.now() - oldestPendingAtMs),
    ratePerSecond,
    secondsToEmpty: secondsToEmpty(pending, ratePerSecond),
    circuit: relay === 'running' ? (summary.heartbeat?.circuit ?? null) : null,
    deliveredByJob: total('deliveredByJob'),
    roundsUsedUp: total('roundsUsedUp'),
    lanes: lanes.map(({ lane, cursor, delivered: done, failures, failure }) => {
      return { lane, cursor, delivered: done, failures, failure };
    }),
  };
}

function relayState(summary: OutboxSummary, store: OutboxStore, nowMs: number) {
  const { heartbeat } = summary;
  if (heartbeat === null || heartbeat.phase === 'stopped') return 'none';
  // A wall clock that was set back gives a heartbeat in the future: the lock below decides.
  if (nowMs - heartbeat.atMs > staleMs) return 'stale';
  return store.isOwnerAlive(heartbeat.owner) ? 'running' : 'stale';
}

function secondsToEmpty(pending: number, ratePerSecond: number): number | null {
  if (pending === 0) return 0;
  return ratePerSecond > 0 ? Math.ceil(pending / ratePerSecond) : null;
}
