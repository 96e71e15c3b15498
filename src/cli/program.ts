/** The commands and what `--help` says about all of them. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { exitCodes } from './exit-codes.ts';
import { addMigrateCommand } from './migrate.ts';
import { addPublishCommand } from './publish.ts';
import { addRunCommand } from './run.ts';
import { addStatusCommand } from './status.ts';

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function exitCodeHelp(): string {
  const rows = Object.values(exitCodes).map(({ code, meaning }) => `  ${code}  ${meaning}`);
  return `\nExit codes:\n${rows.join('\n')}\n\nEvery option: docs/configuration.md`;
}

export function createProgram(): Command {
  const program = new Command('outbox-relay')
    .description('Events from a SQLite outbox to Kafka, in order, whatever happens.')
    .version(version())
    .showHelpAfterError('(add --help for all options)')
    .addHelpText('after', exitCodeHelp())
    .exitOverride();
  for (const add of [addRunCommand, addPublishCommand, addStatusCommand, addMigrateCommand]) {
    add(program);
  }
  // Subcommands do not inherit it.
  for (const command of program.commands) command.exitOverride();
  return program;
}
