/** `outbox-relay export`: events as lines that `outbox-relay publish` takes. */

import { isUtf8 } from 'node:buffer';
import type { Command } from 'commander';
import type { WholeEvent } from '../admin/operator.ts';
import { decodeHeaders, type Header } from '../core/event.ts';
import { addFilters, filterOf, refuseEmpty } from './filters.ts';
import { addOptions, type Flags } from './options.ts';
import { printJson } from './report.ts';
import { withOperator } from './with-operator.ts';

const examples = `
Examples:
  outbox-relay export --db shop.db --state dead > dead.jsonl
  outbox-relay publish --db other.db dead.jsonl

An event a line, with its payload, in the order of the outbox; as \`publish\` takes it.`;

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
function lineOf({ topic, key, value, headers, partition }: WholeEvent): object {
  return {
    topic,
    ...keyOf(key),
    ...(value === null ? { value: null } : { valueBase64: value.toString('base64') }),
    ...headersOf(decodeHeaders(headers)),
    ...(partition === null ? {} : { partition }),
  };
}

function keyOf(key: Buffer | null): object {
  if (key === null) return {};
  return isUtf8(key) ? { key: key.toString() } : { keyBase64: key.toString('base64') };
}

function headersOf(headers: readonly Header[]): object {
  if (headers.length === 0) return {};
  const allText = headers.every(([, bytes]) => bytes !== null && isUtf8(bytes));
  const as = (encoding: 'utf8' | 'base64') =>
    headers.map(([name, bytes]) => [name, bytes && Buffer.from(bytes).toString(encoding)]);
  return allText ? { headers: as('utf8') } : { headersBase64: as('base64') };
}
