/** `outbox-relay audit`: what operators have done, and why. */
import type { Command } from 'commander';
import { addPage, limitOf } from './filters.ts';
import { addOptions, type Flags } from './options.ts';
import { printJson } from './report.ts';
import { tableOf, timeOf } from './table.ts';
import { withOperator } from './with-operator.ts';

const examples = `
Examples:
  outbox-relay audit --db shop.db
  outbox-relay audit --db shop.db --after 100 --json | jq .detail`;

export function addAuditCommand(program: Command): void {
  const command = program
    .command('audit')
    .description('What operators have done: who, when, why, to how many.')
    .option('--after <ID>', 'only behind this number')
    .addHelpText('after', examples);
  addPage(addOptions(command, ['db']), 'acts').action((flags: Flags) => {
    withOperator(flags, (operator) => {
      const after = flags['after'] === undefined ? {} : { after: Number(flags['after']) };
      const acts = operator.audit({ ...limitOf(flags), ...after });
      if (flags['json'] === true) {
        for (const act of acts) printJson(act);
      } else if (acts.length === 0) {
        process.stdout.write('nobody has done anything\n');
      } else {
        const rows = acts.map(({ id, atMs, actor, verb, reason, detail }) => {
          return [id, timeOf(atMs), actor, verb, reason, JSON.stringify(detail)];
        });
        const head = ['ID', 'WHEN', 'WHO', 'WHAT', 'WHY', 'DETAIL'];
        process.stdout.write(`${tableOf(head, rows)}\n`);
      }
    });
  });
}
