/** `outbox-relay events list` and `events show`: what is in the outbox, event by event. */
import { type Command, Option } from 'commander';
import type { EventFacts, WholeEvent } from '../admin/operator.ts';
import { UsageError } from '../core/errors.ts';
import { decodeHeaders } from '../core/event.ts';
import { headersOf, keyOf } from './event-json.ts';
import { addFilters, addPage, filterOf, limitOf } from './filters.ts';
import { addOptions, type Flags } from './options.ts';
import { printJson } from './report.ts';
import { plain, tableOf, textOf, timeOf } from './table.ts';
import { withOperator } from './with-operator.ts';

const listExamples = `
Examples:
  outbox-relay events list --db shop.db --state retrying --state dead
  outbox-relay events list --db shop.db --topic orders --key customer-7
  outbox-relay events list --db shop.db --older-than 1h --after 1000 --json

States: pending, delivered, retrying, blocked, dead, skipped. With --json: one event a line.`;

const showExamples = `
Examples:
  outbox-relay events show --db shop.db --seq 42
  outbox-relay events show --db shop.db --id 0198... --payload

Values and headers' values are shown with --payload only.`;

export function addEventsCommand(program: Command): void {
  const events = program.command('events').description('Look at events in the outbox.');
  const list = events
    .command('list')
    .description('List events by topic, key, state, code or age; no payloads.')
    .option('--after <SEQ>', 'only behind this seq')
    .addHelpText('after', listExamples);
  addPage(addFilters(addOptions(list, ['db'])), 'events').action((flags: Flags) => {
    withOperator(flags, (operator) => {
      const after = flags['after'] === undefined ? {} : { after: Number(flags['after']) };
      printEvents(operator.list(filterOf(flags), { ...limitOf(flags), ...after }), flags);
    });
  });
  const show = events
    .command('show')
    .description('Show one event, and why it is held.')
    .addOption(new Option('--seq <N>', 'its seq').argParser(Number))
    .option('--id <UUID>', 'its id')
    .option('--payload', 'show the value and the headers’ values too')
    .option('--json', 'print JSON')
    .addHelpText('after', showExamples);
  addOptions(show, ['db']).action((flags: Flags) => {
    withOperator(flags, (operator) => printOne(operator.show(nameOf(flags)), flags));
  });
}

function nameOf({ seq, id }: Flags): { seq: number } | { id: string } {
  if ((seq === undefined) === (id === undefined)) {
    throw new UsageError('which event? Give --seq or --id');
  }
  return id === undefined ? { seq: Number(seq) } : { id: String(id) };
}

function printEvents(found: readonly EventFacts[], flags: Flags): void {
  if (flags['json'] === true) {
    for (const event of found) printJson(jsonOf(event));
    return;
  }
  if (found.length === 0) {
    process.stdout.write('no event fits\n');
    return;
  }
  const rows = found.map((event) => {
    const { seq, topic, state, attempts, code, createdAtMs } = event;
    return [seq, topic, textOf(event.key), state, attempts, code, timeOf(createdAtMs)];
  });
  const head = ['SEQ', 'TOPIC', 'KEY', 'STATE', 'ATTEMPTS', 'CODE', 'WRITTEN'];
  process.stdout.write(`${tableOf(head, rows)}\n`);
}

function printOne(event: WholeEvent, flags: Flags): void {
  const payload = flags['payload'] === true;
  if (flags['json'] === true) {
    printJson({ ...jsonOf(event), ...(payload ? payloadOf(event) : {}) });
    return;
  }
  const rows: [string, string][] = [
    ['seq', String(event.seq)],
    ['id', event.id],
    ['topic', event.topic],
    ['key', textOf(event.key) ?? '-'],
    ['state', event.state],
    ['written', timeOf(event.createdAtMs)],
    ['value', event.valueBytes === null ? 'none: a tombstone' : `${event.valueBytes} bytes`],
  ];
  if (event.code !== null) {
    rows.push(['refused', `${event.attempts} times, ${event.code}: ${event.message}`]);
    rows.push(['first', timeOf(event.firstFailedAtMs)], ['last', timeOf(event.lastFailedAtMs)]);
  }
  if (event.nextAttemptAtMs !== null) rows.push(['next try', timeOf(event.nextAttemptAtMs)]);
  if (payload) {
    rows.push(...Object.entries(headersIn(event)).map(pairOf));
    rows.push(['payload', textOf(event.value) ?? '-']);
  }
  const lines = rows.map(([name, text]) => `${name.padEnd(15)}${plain(text)}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}

const headersIn = ({ headers }: WholeEvent) => headersOf(decodeHeaders(headers));
const pairOf = ([name, value]: [string, unknown]): [string, string] => [
  name,
  JSON.stringify(value),
];

/** A key that is no text is in `keyBase64` alone. */
function jsonOf({ key, ...event }: EventFacts): object {
  const { value: _, headers: __, ...facts } = event as Partial<WholeEvent>;
  return { ...facts, key: null, ...keyOf(key), keyBase64: key?.toString('base64') ?? null };
}

function payloadOf(event: WholeEvent): object {
  const valueBase64 = event.value?.toString('base64') ?? null;
  return { valueBase64, ...(event.headers === null ? { headers: [] } : headersIn(event)) };
}
