/** `outbox-relay export`: events as lines that `outbox-relay publish` takes. */
import type { Command } from 'commander';
import type { WholeEvent } from '../admin/operator.ts';
import { decodeHeaders } from '../core/event.ts';
import { headersOf, keyOf } from './event-json.ts';
import { addFilters, filterOf, refuseEmpty } from './filters.ts';
import { addOptions, type Flags } from './options.ts';
import { printJson } from './report.ts';
import { withOperator } from './with-operator.ts';

const examples = `
Examples:
  outbox-relay export --db shop.db --state dead > dead.jsonl
  outbox-relay publish --db other.db dead.jsonl

An event a line, with its payload, in the order of the outbox; as \`publish\` takes it. Its origin
(seq, id, state, code) is for people: \`publish\` gives a new seq and id.`;

export function addExportCommand(program: Command): void {
  const command = program
    .command('export')
    .description('Print events with their payloads, one JSON object a line.')
    .option('--all', 'every event that is there')
    .addHelpText('after', examples);
  addFilters(addOptions(command, ['db'])).action((flags: Flags) => {
    const filter = filterOf(flags);
    refuseEmpty(filter, flags);
    withOperator(flags, (operator) => {
      for (const event of operator.export(filter)) printJson(lineOf(event));
    });
  });
}

/** Nothing is put into other words: what is no text goes as base64. */
function lineOf(event: WholeEvent): object {
  const { topic, key, value, headers, partition, retries, delayMs } = event;
  const { seq, id, state, code } = event;
  return {
    topic,
    ...keyOf(key),
    ...(value === null ? { value: null } : { valueBase64: value.toString('base64') }),
    ...headersOf(decodeHeaders(headers)),
    ...(partition === null ? {} : { partition }),
    ...(retries === null ? {} : { retries }),
    ...(delayMs === null ? {} : { delayMs }),
    origin: { seq, id, state, ...(code === null ? {} : { code }) },
  };
}
