/**
 * The whole input in one transaction: checked first, then stored.
 *
 * The input is read twice, so that a bad last line costs no work in the transaction, which keeps
 * other writers waiting: 231,083 flights are stored in a few seconds. Killed at any moment, either
 * nothing is stored or everything. `--stream` is the way for inputs that never end.
 */
import { closeSync } from 'node:fs';
import { SingleBar } from 'cli-progress';
import { pause, systemClock } from '../core/clock.ts';
import { InputInvalidError, OutboxBusyError } from '../core/errors.ts';
import type { OutboxEvent } from '../core/event.ts';
import { limits } from '../core/limits.ts';
import type { BadLines } from './bad-lines.ts';
import { spoolInput } from './input.ts';
import { readLines } from './lines.ts';
import { count, type PublishJob } from './publish-job.ts';

const groupEvents = 500;
const busyPauseMs = 50;

/** @throws INPUT_INVALID, USAGE and what storing throws; then nothing is stored */
export async function publishSpooled(job: PublishJob): Promise<void> {
  const file = await spoolInput(job.input);
  const bar = job.progress ? new SingleBar({ format: barFormat }) : null;
  try {
    const good = check(job, file);
    job.result.skipped = job.bad.count;
    job.result.skippedLines = job.bad.told;
    if (job.bad.count > 0 && !job.skipInvalid) {
      const lines = job.bad.told;
      const message = `${job.bad.count} of the lines are not events; nothing was stored`;
      throw new InputInvalidError(message, { details: { invalid: job.bad.count, lines } });
    }
    bar?.start(good, 0);
    await whenFree(() => job.outbox.transaction(() => store(job, file, { good, bar })));
  } finally {
    bar?.stop();
    closeSync(file);
  }
}

const barFormat = '{bar} {percentage}% | {value} of {total} events | {eta} s left';

/** Another writer's transaction is waited for as long as `publish()` would. */
async function whenFree(work: () => void): Promise<void> {
  const endMs = systemClock.monotonic() + limits.writeWaitMsDefault;
  for (;;) {
    try {
      work();
      return;
    } catch (error) {
      if (!(error instanceof OutboxBusyError) || systemClock.monotonic() > endMs) throw error;
    }
    await pause(systemClock, busyPauseMs);
  }
}

function* eventsOf(job: PublishJob, file: number, bad: BadLines): Generator<OutboxEvent> {
  for (const line of readLines(file, job.lineBytesMax)) {
    const event = bad.parse(line, job.rules);
    if (event !== null) yield event;
  }
}

/** Returns how many lines are events. */
function check(job: PublishJob, file: number): number {
  let good = 0;
  for (const _ of eventsOf(job, file, job.bad)) good += 1;
  return good;
}

/** Runs in the transaction: what throws here takes everything back. */
function store(job: PublishJob, file: number, shown: { good: number; bar: SingleBar | null }) {
  const { outbox, result, bad } = job;
  // The bad lines were told when they were checked.
  const again = bad.silent();
  Object.assign(result, { stored: 0, duplicates: 0, firstSeq: null, lastSeq: null });
  let done = 0;
  let group: OutboxEvent[] = [];
  const flush = () => {
    for (const one of outbox.enqueueMany(group)) count(result, one);
    done += group.length;
    group = [];
    shown.bar?.update(done);
  };
  for (const event of eventsOf(job, file, again)) {
    group.push(event);
    if (group.length >= groupEvents) flush();
  }
  flush();
  if (done !== shown.good || again.count !== bad.count) {
    throw new InputInvalidError('the input changed while it was being stored; nothing was stored');
  }
}
