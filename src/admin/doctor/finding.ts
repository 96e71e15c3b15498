/** What the doctor says: one fact each, what it would break, and how to mend it. */

/** From best to worst. Exit codes and log levels go by it; see docs/doctor.md. */
export const severities = Object.freeze(['ok', 'note', 'warning', 'error'] as const);

/**
 * - `ok`: as it should be.
 * - `note`: worth knowing; nothing has to be done.
 * - `warning`: works now; something foreseeable would lose, delay or reorder events.
 * - `error`: events are not delivered, or not accepted, as it is.
 */
export type Severity = (typeof severities)[number];

/** Every check once, in the order of the report; docs/doctor.md has a row for each. */
export const checks = Object.freeze([
  'sqlite.version',
  'sqlite.copies',
  'file.folder',
  'file.system',
  'file.disk',
  'file.exists',
  'file.mode',
  'file.access',
  'file.wal',
  'file.open',
  'file.schema',
  'file.journal',
  'file.synchronous',
  'file.free_pages',
  'file.watermarks',
  'timing.lease',
  'redis.reachable',
  'redis.version',
  'redis.eviction',
  'redis.writes',
  'kafka.reachable',
  'kafka.brokers',
  'kafka.version',
  'kafka.settings',
  'kafka.auto_create',
  'kafka.offsets_retention',
  'kafka.topics',
  'kafka.leaders',
  'kafka.partitions',
  'kafka.replicas',
  'kafka.in_sync',
  'kafka.min_in_sync',
  'kafka.unclean_election',
  'kafka.message_bytes',
] as const);

/** Stable: never reused for another meaning. The part before the dot is the subject. */
export type CheckId = (typeof checks)[number];

/** What one check found. */
export interface Finding {
  readonly check: CheckId;
  readonly severity: Severity;
  /** What was found, one line, without a secret. */
  readonly found: string;
  /** What it breaks or would break; `null` when nothing. */
  readonly breaks: string | null;
  /** What an operator can do about it; `null` when nothing has to be done. */
  readonly mend: string | null;
}

export function fine(check: CheckId, found: string): Finding {
  return { check, severity: 'ok', found, breaks: null, mend: null };
}

/** The worst severity of all; `ok` of none. */
export function worstOf(findings: readonly Finding[]): Severity {
  const ranks = findings.map(({ severity }) => severities.indexOf(severity));
  return severities[Math.max(0, ...ranks)] ?? 'ok';
}
