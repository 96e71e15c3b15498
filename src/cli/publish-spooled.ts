/**
 * The whole input in one transaction: checked first, then stored. Standard input is spooled into
 * a temporary file, so that memory stays bounded and the checks can read it before it is stored.
 */
import { closeSync, createWriteStream, fstatSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SingleBar } from 'cli-progress';
import { InputInvalidError, UsageError } from '../core/errors.ts';
import { BadLines } from './bad-lines.ts';
import { readLines } from './lines.ts';
import { count, type PublishJob } from './publish-job.ts';

const progressLines = 5_000;

export async function publishSpooled(job: PublishJob): Promise<void> {
  if (job.input !== '-') return storeFile(job, job.input);
  const folder = mkdtempSync(join(tmpdir(), 'outbox-relay-'));
  try {
    const spool = join(folder, 'input');
    await pipeline(process.stdin, createWriteStream(spool, { mode: 0o600 }));
    storeFile(job, spool);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function storeFile(job: PublishJob, path: string): void {
  const file = openInput(path);
  try {
    const good = check(job, file);
    if (job.bad.count > 0 && !job.skipInvalid) {
      throw new InputInvalidError(`${job.bad.count} bad lines; nothing was stored`);
    }
    job.result.skipped = job.bad.count;
    job.outbox.transaction(() => store(job, file, good));
  } finally {
    closeSync(file);
  }
}

function openInput(path: string): number {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw new UsageError(`${path} is not a regular file; pipe it into stdin`);
}

/** Returns how many lines are events. */
function check(job: PublishJob, file: number): number {
  let good = 0;
  for (const line of readLines(file, job.lineBytesMax)) {
    const event = job.bad.parse(line, job.rules, (one) => job.outbox.validate(one));
    if (event) good += 1;
  }
  return good;
}

/** Runs in the transaction: what throws here takes everything back. */
function store(job: PublishJob, file: number, good: number): void {
  const { outbox, result, rules } = job;
  const bar = new SingleBar({ format: '{bar} {percentage}% | {value} of {total} | {eta} s left' });
  const shown = process.stderr.isTTY === true;
  if (shown) bar.start(good, 0);
  // The bad lines were told when they were checked.
  const again = new BadLines(() => {});
  let done = 0;
  for (const line of readLines(file, job.lineBytesMax)) {
    const event = again.parse(line, rules, (one) => outbox.validate(one));
    if (!event) continue;
    count(result, outbox.enqueue(event));
    done += 1;
    if (shown && done % progressLines === 0) bar.update(done);
  }
  if (shown) {
    bar.update(done);
    bar.stop();
  }
  if (done !== good) throw new InputInvalidError('the input changed while it was being stored');
}
