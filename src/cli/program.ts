/** The commands and what `--help` says about all of them. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addActCommands } from './acts.ts';
import { addAuditCommand } from './audit.ts';
import { addCheckCommand } from './check.ts';
import { addDeadCommand } from './dead.ts';
import { addDoctorCommand } from './doctor.ts';
import { addEventsCommand } from './events.ts';
import { exitCodes } from './exit-codes.ts';
import { addExportCommand } from './export.ts';
import { addMigrateCommand } from './migrate.ts';
import { addPauseCommands } from './pauses.ts';
import { addPublishCommand } from './publish.ts';
import { addRepairCommand } from './repair.ts';
import { addResetWatermarksCommand } from './reset-watermarks.ts';
import { addRunCommand } from './run.ts';
import type { Shell } from './shell.ts';
import { addStatusCommand } from './status.ts';
import { addVerifyCommand } from './verify.ts';

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function help(): string {
  const rows = Object.values(exitCodes).map(({ code, meaning }) => {
    return `  ${String(code).padEnd(4)} ${meaning}`;
  });
  return `
Options come from a file (--config FILE, .yml or .json), from the environment (OUTBOX_RELAY_*) and
from flags; the later wins. docs/configuration.md lists them all.

Exit codes:
${rows.join('\n')}`;
}

/**
 * @param end receives the exit code of the command that ran; errors are thrown
 */
export function createProgram(shell: Shell, end: (code: number) => void): Command {
  const program = new Command('outbox-relay')
    .description('Events from a SQLite outbox to Kafka, in order, whatever happens.')
    .version(version())
    // Thrown and printed by main.ts, as every error is.
    .configureOutput({ outputError: () => {} })
    .configureHelp({ helpWidth: 100 })
    .addHelpText('after', help())
    .exitOverride();
  addRunCommand(program, shell, end);
  addPublishCommand(program, shell, end);
  addStatusCommand(program, shell);
  addDoctorCommand(program, end);
  addMigrateCommand(program);
  addEventsCommand(program);
  addDeadCommand(program);
  addActCommands(program);
  addPauseCommands(program);
  addResetWatermarksCommand(program);
  addExportCommand(program);
  addAuditCommand(program);
  addVerifyCommand(program, end);
  addCheckCommand(program, end);
  addRepairCommand(program, end);
  return program;
}
