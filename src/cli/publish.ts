/** `outbox-relay publish`: events from JSON Lines into an outbox. */
import type { Command } from 'commander';
import { openOutbox } from '../app.ts';
import { resolveFile } from '../config/resolve.ts';
import { InputInvalidError, UsageError } from '../core/errors.ts';
import { type BadLine, BadLines } from './bad-lines.ts';
import { exitCodes } from './exit-codes.ts';
import { chooseInput } from './input.ts';
import { addOptions, type Flags, readOptions } from './options.ts';
import { emptyResult, type PublishJob } from './publish-job.ts';
import { publishSpooled } from './publish-spooled.ts';
import { publishStream } from './publish-stream.ts';
import { printJson } from './report.ts';
import { exitCodeOfSignal, type Shell } from './shell.ts';

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

export function addPublishCommand(
  program: Command,
  shell: Shell,
  end: (code: number) => void,
): void {
  const command = program
    .command('publish')
    .description('Store events from JSON Lines in an outbox.')
    .argument('[FILE]', 'a file, or - for stdin (default: what is piped into stdin)')
    .option('--topic <T>', 'topic of all events; the value is the exact bytes of the line')
    .option('--key-field <F>', 'JSON field of the line that is the key; needs --topic')
    .option('--skip-invalid', 'store the good lines, tell and count the bad ones')
    .option('--stream', 'commit as lines come: every 100 lines or 100 ms')
    .option('--json', 'print the result, and errors, as JSON')
    .addHelpText('after', examples);
  addOptions(command, options).action(async (file, flags: Flags) => {
    end(await publish(file as string | undefined, flags, shell));
  });
}

const options = ['db', 'recordBytesMax', 'migrate', 'events', 'bytes', 'freeDiskBytes'];

async function publish(file: string | undefined, flags: Flags, shell: Shell): Promise<number> {
  if (flags['keyField'] !== undefined && flags['topic'] === undefined) {
    throw new UsageError('--key-field needs --topic');
  }
  const input = chooseInput(file);
  const stream = flags['stream'] === true;
  const job = openJob(input, flags);
  const json = flags['json'] === true;
  try {
    if (stream) await publishStream(job, shell.interrupted);
    else await publishSpooled(job);
  } catch (error) {
    if (job.result.lastSeq !== null && stream) report(job, json); // what was committed stays
    throw error;
  } finally {
    await job.outbox.close();
  }
  report(job, json);
  if (stream && shell.interrupted.aborted) return exitCodeOfSignal(shell.interrupted.reason);
  if (stream && job.bad.count > 0 && !job.skipInvalid) {
    const details = { invalid: job.bad.count, lines: job.bad.told };
    throw new InputInvalidError(`${job.bad.count} lines were not stored`, { details });
  }
  return exitCodes.ok.code;
}

function openJob(input: string, flags: Flags): PublishJob {
  const { db, recordBytesMax, migrate, bounds } = resolveFile(readOptions(flags));
  const outbox = openOutbox({ path: db }, { recordBytesMax, migrate, bounds });
  const json = flags['json'] === true;
  const stream = flags['stream'] === true;
  return {
    outbox,
    input,
    rules: { topic: text(flags['topic']), keyField: text(flags['keyField']) },
    skipInvalid: flags['skipInvalid'] === true,
    // JSON may write a byte of a value in six.
    lineBytesMax: recordBytesMax * 6 + 65_536,
    bad: new BadLines({
      say: stream ? sayAtOnce(json) : sayInText(json),
      validate: (event) => outbox.validate(event),
      // What comes without an end is told without an end.
      ...(stream ? { toldMax: Number.POSITIVE_INFINITY } : {}),
    }),
    result: emptyResult(),
    progress: process.stderr.isTTY === true && !json,
  };
}

/** With --json each is a line of JSON on stderr. */
function sayAtOnce(json: boolean) {
  return (bad: BadLine | 'more') =>
    process.stderr.write(`${json ? JSON.stringify(bad) : inText(bad)}\n`);
}

/** With --json they are part of the result, or of the error, which is one line of JSON. */
function sayInText(json: boolean) {
  return (bad: BadLine | 'more') => {
    if (!json) process.stderr.write(`${inText(bad)}\n`);
  };
}

function inText(bad: BadLine | 'more'): string {
  if (bad === 'more') return 'further bad lines are only counted';
  return `line ${bad.line}: ${bad.problem}`;
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
