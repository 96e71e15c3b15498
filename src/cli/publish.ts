/** `outbox-relay publish`: events from JSON Lines into an outbox. */
import { fstatSync } from 'node:fs';
import type { Command } from 'commander';
import { openOutbox } from '../app.ts';
import { InputInvalidError, UsageError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { BadLines } from './bad-lines.ts';
import { addOptions, type Flags, pickOptions } from './options.ts';
import type { PublishJob } from './publish-job.ts';
import { publishSpooled } from './publish-spooled.ts';
import { publishStream } from './publish-stream.ts';
import { printJson } from './report.ts';

const examples = `
One event per line:
  {"topic": "orders", "key": "42", "value": {"total": 19.9}, "headers": {"source": "shop"}}
value may be text, any JSON, or null (a tombstone); valueBase64 holds bytes instead;
partition and dedupeKey are optional. With --topic the line's exact bytes are the value.

Examples:
  outbox-relay publish --db shop.db events.jsonl
  outbox-relay publish --db shop.db --topic orders --key-field customer orders.jsonl
  tail -f app.log | outbox-relay publish --db shop.db --topic log --stream

Without --stream everything is checked first and stored in one transaction: a bad line is
reported with its number and nothing is stored (or, with --skip-invalid, all the others are).`;

export function addPublishCommand(program: Command): void {
  const command = program
    .command('publish')
    .description('Store events from JSON Lines in an outbox.')
    .argument('[FILE]', 'a file, or - for stdin', undefined)
    .option('--topic <T>', 'topic of all events; the line is the value')
    .option('--key-field <F>', 'JSON field of the line that is the key; needs --topic')
    .option('--skip-invalid', 'store the good lines and count the bad ones')
    .option('--stream', 'commit as lines come: every 100 lines or 100 ms')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', examples);
  addOptions(command, ['db', 'lanes', 'recordBytesMax']).action((file, flags: Flags) =>
    publish(file as string | undefined, flags),
  );
}

async function publish(file: string | undefined, flags: Flags): Promise<void> {
  const input = inputOf(file, flags);
  const picked = pickOptions(flags, ['db', 'lanes', 'recordBytesMax']) as {
    db: string;
    lanes?: number;
    recordBytesMax?: number;
  };
  const { db, lanes, recordBytesMax = limits.recordBytesMaxDefault } = picked;
  const options = lanes === undefined ? { recordBytesMax } : { recordBytesMax, lanes };
  const outbox = openOutbox({ path: db }, options);
  const job: PublishJob = {
    outbox,
    input,
    rules: { topic: text(flags['topic']), keyField: text(flags['keyField']) },
    skipInvalid: flags['skipInvalid'] === true,
    // JSON may escape every byte of a value into six.
    lineBytesMax: recordBytesMax * 6 + 65_536,
    bad: new BadLines((text) => process.stderr.write(text)),
    result: { stored: 0, duplicates: 0, skipped: 0, firstSeq: null, lastSeq: null },
  };
  try {
    if (flags['stream'] === true) await publishStream(job);
    else await publishSpooled(job);
  } finally {
    await outbox.close();
  }
  report(job, flags['json'] === true);
  const failed = flags['stream'] === true && job.bad.count > 0 && !job.skipInvalid;
  if (failed) throw new InputInvalidError(`${job.bad.count} lines were not stored`);
}

function inputOf(file: string | undefined, flags: Flags): string {
  if (flags['keyField'] !== undefined && flags['topic'] === undefined) {
    throw new UsageError('--key-field needs --topic');
  }
  if (file !== undefined && file !== '-') return file;
  if (file === undefined && !stdinIsGiven()) {
    throw new UsageError('no FILE was given and nothing is piped into stdin');
  }
  return '-';
}

/** A terminal or /dev/null is not an input that anybody meant. */
function stdinIsGiven(): boolean {
  if (process.stdin.isTTY === true) return false;
  try {
    return !fstatSync(0).isCharacterDevice();
  } catch {
    return false; // closed
  }
}

function report({ result }: PublishJob, json: boolean): void {
  if (json) {
    printJson(result);
    return;
  }
  const { stored, duplicates, skipped, firstSeq, lastSeq } = result;
  const range = firstSeq === null ? '' : ` (seq ${firstSeq} to ${lastSeq})`;
  const more = `${duplicates} duplicates, ${skipped} invalid lines skipped`;
  process.stdout.write(`${stored} events stored${range}, ${more}\n`);
}

function text(flag: string | boolean | undefined): string | undefined {
  return typeof flag === 'string' ? flag : undefined;
}
