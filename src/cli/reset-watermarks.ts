/** `outbox-relay reset-watermarks`: the file is right, whatever Kafka says. */
import type { Command } from 'commander';
import type { Flags } from './options.ts';
import { actOptions, addAct, printReport, withOperator } from './with-operator.ts';

const examples = `
Examples:
  outbox-relay reset-watermarks --db shop.db --reason "restored from the copy of Monday"

What Kafka has beyond the cursors of the file is sent once more. A relay that runs goes on.`;

export function addResetWatermarksCommand(program: Command): void {
  const command = program
    .command('reset-watermarks')
    .description('After WATERMARK_AHEAD or WATERMARK_MISSING: go on from what the file says.')
    .addHelpText('after', examples);
  addAct(command, 'why, for the audit; needed').action((flags: Flags) => {
    withOperator(flags, (operator) => {
      const { reason = '', ...options } = actOptions(flags);
      printReport(operator.resetWatermarks({ ...options, reason }), 'lanes', flags);
    });
  });
}
