/** `outbox-relay verify`: whether what is delivered is really there. */
import type { Command } from 'commander';
import type { Verification } from '../admin/verify.ts';
import type { RelayOptions } from '../config/relay-options.ts';
import { resolveLoaded } from '../config/resolve.ts';
import { verifyDelivery } from '../verify.ts';
import { exitCodes } from './exit-codes.ts';
import { addOptions, type Flags, readOptions } from './options.ts';
import { printJson } from './report.ts';
import { tableOf } from './table.ts';

const examples = `
Examples:
  outbox-relay verify --db shop.db --brokers localhost:9092
  outbox-relay verify --config outbox-relay.yml --topic orders --json | jq .ok

Reads back the offsets of delivered batches, as long as the outbox keeps their events, and looks
for each event's id. Repeats are allowed: they are counted. Ends with 0, or 10 when events are
missing or out of order.`;

export function addVerifyCommand(program: Command, end: (code: number) => void): void {
  const command = program
    .command('verify')
    .description('Read delivered events back from Kafka: missing, duplicated, misordered.')
    .option('--topic <TOPIC>', 'only this topic')
    .option('--json', 'print JSON')
    .addHelpText('after', examples);
  addOptions(command).action(async (flags: Flags) => {
    end(await run(flags));
  });
}

async function run(flags: Flags): Promise<number> {
  const loaded = readOptions(flags);
  resolveLoaded(loaded); // its faults name their sources
  const { topic } = flags;
  const json = flags['json'] === true;
  const verification = await verifyDelivery(loaded.options as unknown as RelayOptions, {
    ...(typeof topic === 'string' ? { topic } : {}),
    onProgress: (name, records) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${name}: ${records} records read`);
    },
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  if (json) printJson(verification);
  else process.stdout.write(`${textOf(verification)}\n`);
  return verification.ok ? exitCodes.ok.code : exitCodes.unverified.code;
}

function textOf({ topics }: Verification): string {
  if (topics.length === 0) return 'nothing delivered is known any more';
  const head = ['TOPIC', 'CHECKED', 'MISSING', 'DUPLICATED', 'MISORDERED', 'GONE'];
  const rows = topics.map((one) => {
    return [one.topic, one.checked, one.missing, one.duplicated, one.misordered, one.gone];
  });
  const examples = topics.flatMap(({ topic, examples: some }) =>
    some.map(({ what, seq, id }) => `${what}: ${topic}, seq ${seq}, id ${id}`),
  );
  return [tableOf(head, rows), ...examples].join('\n');
}
