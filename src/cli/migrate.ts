/** `outbox-relay migrate`: makes an outbox, or brings one to this version's schema. */
import type { Command } from 'commander';
import { resolveFile } from '../config/resolve.ts';
import { migrateOutbox } from '../outbox-file.ts';
import { addOptions, type Flags, readOptions } from './options.ts';
import { printJson } from './report.ts';

const examples = `
Examples:
  outbox-relay migrate --db shop.db
  outbox-relay migrate --db new.db --lanes 16 --json`;

export function addMigrateCommand(program: Command): void {
  const command = program
    .command('migrate')
    .description('Create or update the outbox tables of a file. Safe to run twice, and at once.')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', examples);
  addOptions(command, ['db', 'lanes']).action((flags: Flags) => migrate(flags));
}

function migrate(flags: Flags): void {
  const { db, lanes } = resolveFile(readOptions(flags));
  const result = migrateOutbox(db, lanes);
  if (flags['json'] === true) {
    printJson(result);
    return;
  }
  const { applied, lanesBefore, outboxId } = result;
  const done =
    lanesBefore === null ? [...applied] : [...applied, `lanes ${lanesBefore} to ${result.lanes}`];
  const what = done.length === 0 ? 'nothing to do' : done.join(', ');
  process.stdout.write(`${db}: ${what} (outbox ${outboxId}, ${result.lanes} lanes)\n`);
}
