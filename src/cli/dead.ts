/** `outbox-relay dead list`: dead events, by what Kafka said of them. */
import type { Command } from 'commander';
import { addFiltersOfDead, filterOf } from './filters.ts';
import { addOptions, type Flags } from './options.ts';
import { printJson } from './report.ts';
import { tableOf, timeOf } from './table.ts';
import { withOperator } from './with-operator.ts';

const examples = `
Examples:
  outbox-relay dead list --db shop.db
  outbox-relay dead list --db shop.db --json | jq .events

Then: outbox-relay events list --state dead --code CODE, redrive, skip, purge.`;

export function addDeadCommand(program: Command): void {
  const dead = program
    .command('dead')
    .description('Look at events that Kafka has refused to the end of their retries.');
  const list = dead
    .command('list')
    .description('Dead events, grouped by topic and cause.')
    .option('--json', 'print JSON, one group a line')
    .addHelpText('after', examples);
  addFiltersOfDead(addOptions(list, ['db'])).action((flags: Flags) => {
    withOperator(flags, (operator) => {
      const groups = operator.dead(filterOf(flags));
      if (flags['json'] === true) {
        for (const group of groups) printJson(group);
      } else if (groups.length === 0) {
        process.stdout.write('no event is dead\n');
      } else {
        const head = ['EVENTS', 'TOPIC', 'CODE', 'FIRST SEQ', 'FIRST', 'LAST', 'MESSAGE'];
        const rows = groups.map((group) => [
          group.events,
          group.topic,
          group.code,
          group.firstSeq,
          timeOf(group.firstFailedAtMs),
          timeOf(group.lastFailedAtMs),
          group.message,
        ]);
        process.stdout.write(`${tableOf(head, rows)}\n`);
      }
    });
  });
}
