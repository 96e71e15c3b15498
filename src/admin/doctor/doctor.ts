/**
 * Runs every check once: looks at the file, asks Redis and Kafka side by side, judges.
 *
 * That a service is away is a finding and never an error, so a rejection is a defect of an asker.
 * Nothing is created, migrated or changed.
 */
import type { FileInspection } from '../../outbox/inspection.ts';
import type { SinkInspection } from '../../sink/inspection.ts';
import type { RedisInspection } from '../../trigger/inspection.ts';
import { judgeFile } from './file.ts';
import { checks, type Finding, type Severity, worstOf } from './finding.ts';
import { judgeKafka } from './kafka.ts';
import { judgeRedis } from './redis.ts';
import { judgeTiming, type Timing } from './timing.ts';
import type { WantedTopics } from './topics.ts';

/** The JSON of `outbox-relay doctor --json`. */
export interface Diagnosis {
  /** Whether nothing is worse than a note. */
  readonly ok: boolean;
  readonly worst: Severity;
  /** In the order of docs/doctor.md; a check can have several findings, or none. */
  readonly findings: readonly Finding[];
}

export interface DoctorParts {
  readonly inspectFile: () => FileInspection;
  /** `null` without Redis. */
  readonly inspectRedis: (() => Promise<RedisInspection>) | null;
  readonly inspectKafka: (topics: readonly string[]) => Promise<SinkInspection>;
  readonly timing: Timing;
  readonly migrate: 'auto' | 'check';
  readonly createTopics: WantedTopics['createTopics'];
  readonly recordBytesMax: number;
}

export async function examine(parts: DoctorParts): Promise<Diagnosis> {
  const { createTopics, recordBytesMax } = parts;
  const file = parts.inspectFile();
  const { topics, cut } = topicsOf(file);
  const [redis, kafka] = await Promise.all([
    parts.inspectRedis?.() ?? null,
    parts.inspectKafka(topics?.map(({ topic }) => topic) ?? []),
  ]);
  const findings = [
    ...judgeFile(file, parts.migrate),
    ...judgeTiming(parts.timing),
    ...judgeRedis(redis),
    ...judgeKafka(kafka, { topics, cut, createTopics, recordBytesMax }),
  ].toSorted((a, b) => checks.indexOf(a.check) - checks.indexOf(b.check));
  const worst = worstOf(findings);
  return { ok: worst === 'ok' || worst === 'note', worst, findings };
}

function topicsOf({ contents }: FileInspection): Pick<WantedTopics, 'topics' | 'cut'> {
  if (contents === null || !('topics' in contents)) return { topics: null, cut: false };
  return { topics: contents.topics, cut: contents.topicsCut };
}
