/** Opens the file of a command for an operator, and closes it whatever happens. */
import { type Command, Option } from 'commander';
import type { ActOptions, ActReport, Operator } from '../admin/operator.ts';
import { resolveFile } from '../config/resolve.ts';
import { openOperator } from '../outbox-file.ts';
import { addOptions, type Flags, readOptions } from './options.ts';
import { printJson } from './report.ts';

export function withOperator(flags: Flags, work: (operator: Operator) => void): void {
  const { db } = resolveFile(readOptions(flags));
  const operator = openOperator(db);
  try {
    work(operator);
  } finally {
    operator.close();
  }
}

/** Flags of every act. */
export function addAct(command: Command, reason: string): Command {
  return addOptions(command, ['db'])
    .addOption(new Option('--reason <TEXT>', reason))
    .option('--by <NAME>', 'who, for the audit (default: the user that runs the command)')
    .option('--dry-run', 'count, and change nothing')
    .option('--json', 'print JSON');
}

export function actOptions({ by, reason, dryRun }: Flags): ActOptions {
  return {
    ...(typeof by === 'string' ? { actor: by } : {}),
    ...(typeof reason === 'string' ? { reason } : {}),
    dryRun: dryRun === true,
  };
}

const past: Readonly<Record<ActReport['verb'], string>> = {
  redrive: 'to be sent again',
  skip: 'skipped',
  purge: 'purged',
  pause: 'paused',
  resume: 'resumed',
  'reset-watermarks': 'without a watermark, to go on from their cursors',
};

export function printReport(report: ActReport, what: string, flags: Flags): void {
  if (flags['json'] === true) {
    printJson(report);
    return;
  }
  const { verb, result, matched, changed, inFlight, mayBeOutOfOrder, dryRun } = report;
  const lines =
    result === 'nothing-to-do'
      ? ['nothing to do']
      : [`${changed} ${what} ${dryRun ? 'would be ' : ''}${past[verb]}`];
  if (matched - changed - inFlight > 0) {
    lines.push(`${matched - changed - inFlight} more fit: do it again, or raise --limit`);
  }
  if (inFlight > 0) lines.push(`${inFlight} are being sent: try again in a moment`);
  if (mayBeOutOfOrder > 0) {
    lines.push(`${mayBeOutOfOrder} may arrive after newer events of their key`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}
