/** `outbox-relay repair`: a new file from what can be read of a damaged one. */
import type { Command } from 'commander';
import type { RepairReport } from '../admin/repair.ts';
import { resolveFile } from '../config/resolve.ts';
import { repairFile } from '../outbox-file.ts';
import { exitCodes } from './exit-codes.ts';
import { addOptions, type Flags, readOptions } from './options.ts';
import { createProgressLine } from './progress.ts';
import { printJson } from './report.ts';
import { plain, tableOf } from './table.ts';
import { actOptions } from './with-operator.ts';

const examples = `
Examples:
  outbox-relay repair --db shop.db --dry-run
  outbox-relay repair --db shop.db --reason "disk 3 failed"

Stop everything that has the file open first. The old file is kept beside the new one, byte for
byte, as FILE.damaged-TIME. Some events may be delivered twice. Ends with 0, or 11 when something
of the file is lost. docs/operations.md says what is saved and how.`;

export function addRepairCommand(program: Command, end: (code: number) => void): void {
  const command = program
    .command('repair')
    .description('Save what can be read of a damaged file into a new one; the old one is kept.')
    .option('--reason <TEXT>', 'why, for the audit')
    .option('--by <NAME>', 'who, for the audit (default: the user that runs the command)')
    .option('--dry-run', 'say what would be saved, and change nothing')
    .option('--force', 'make the file anew although nothing is wrong with it')
    .option('--json', 'print JSON')
    .addHelpText('after', examples);
  addOptions(command, ['db']).action((flags: Flags) => {
    const { db } = resolveFile(readOptions(flags));
    const line = createProgressLine();
    const force = flags['force'] === true;
    let report: RepairReport;
    try {
      report = repairFile(db, { ...actOptions(flags), force, onProgress: line.tell });
    } finally {
      line.end();
    }
    if (flags['json'] === true) printJson(report);
    else process.stdout.write(`${textOf(report)}\n`);
    end(report.complete ? exitCodes.ok.code : exitCodes.lossy.code);
  });
}

function textOf({ path, facts, damagedPath, dryRun }: RepairReport): string {
  if (facts === null) return `${path}: nothing is wrong, nothing to do`;
  const { events, log, tables } = facts;
  const rows = tables.map(({ table, read, lost }) => [plain(table), read, lost ?? 'unknown']);
  const bound = events.lostExact ? '' : 'at most, of those that are known of: ';
  const lines = [
    tableOf(['TABLE', 'READ', 'LOST'], rows),
    '',
    `events: ${events.read} saved, lost while pending or held: ${bound}${events.lost}`,
  ];
  if (events.found > 0) lines.push(`${events.found} of them were found page by page`);
  if (log.suspect > 0) {
    lines.push(`log of changes: ${log.used} of ${log.pages} pages used, commits may be missing`);
  }
  if (facts.lanesReset.length > 0) lines.push(`cursors lost: lanes ${facts.lanesReset.join(', ')}`);
  if (facts.setAside > 0) lines.push(`${facts.setAside} events are held, to be sent first`);
  if (facts.mayRepeat > 0) lines.push(`${facts.mayRepeat} events may be delivered twice`);
  if (!facts.outboxIdKept) lines.push(`the outbox has a new id: ${facts.outboxId}`);
  for (const object of facts.objectsLost) lines.push(`not made again: ${plain(object)}`);
  lines.push(dryRun ? 'nothing was changed' : `the damaged file is ${damagedPath}`);
  return lines.join('\n');
}
