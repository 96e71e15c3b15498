/** `outbox-relay check`: whether the file is whole, and what an outbox must hold. */
import type { Command } from 'commander';
import type { CheckReport } from '../admin/check.ts';
import { resolveFile } from '../config/resolve.ts';
import { checkFile } from '../outbox-file.ts';
import { exitCodeOfWorst } from './doctor.ts';
import { addOptions, type Flags, readOptions } from './options.ts';
import { createProgressLine } from './progress.ts';
import { printJson } from './report.ts';
import { plain } from './table.ts';

const examples = `
Examples:
  outbox-relay check --db shop.db
  outbox-relay check --db shop.db --json | jq '.findings[] | select(.severity == "error")'

Reads the whole file and changes nothing; applications and relays may go on. Ends with 0 when
nothing is worse than a note, with 6 when something is a warning, with 7 when something is an
error. JSON names: path, ok, worst, findings[] with code, severity, what, hint, count, examples.`;

export function addCheckCommand(program: Command, end: (code: number) => void): void {
  const command = program
    .command('check')
    .description('Say whether the file is whole: its pages, its tables, and what must hold.')
    .option('--json', 'print JSON')
    .addHelpText('after', examples);
  addOptions(command, ['db']).action((flags: Flags) => {
    const { db } = resolveFile(readOptions(flags));
    const line = createProgressLine();
    let report: CheckReport;
    try {
      report = checkFile(db, { onProgress: line.tell });
    } finally {
      line.end();
    }
    if (flags['json'] === true) printJson(report);
    else process.stdout.write(`${textOf(report)}\n`);
    end(exitCodeOfWorst(report.worst));
  });
}

function textOf({ path, findings }: CheckReport): string {
  if (findings.length === 0) return `${path}: nothing is wrong`;
  const indent = ' '.repeat(9);
  return findings
    .flatMap(({ code, severity, what, hint, count, examples: some }) => [
      `${severity.padEnd(9)}${code} (${count}): ${what}`,
      ...some.map((example) => `${indent}${plain(example)}`),
      `${indent}hint: ${hint}`,
    ])
    .join('\n');
}
