/** `outbox-relay doctor`: what would break, and how to mend it, before it does. */
import type { Command } from 'commander';
import type { Diagnosis } from '../admin/doctor/doctor.ts';
import { type Finding, type Severity, severities } from '../admin/doctor/finding.ts';
import type { RelayOptions } from '../config/relay-options.ts';
import { resolveLoaded } from '../config/resolve.ts';
import { rulesOfDoctor } from '../config/rules.ts';
import { diagnose } from '../diagnose.ts';
import { exitCodes } from './exit-codes.ts';
import { addOptions, type Flags, readOptions } from './options.ts';
import { printJson } from './report.ts';

const examples = `
Examples:
  outbox-relay doctor --db shop.db --brokers 127.0.0.1:9092
  outbox-relay doctor --config outbox-relay.yml --json | jq '.findings[] | select(.mend)'

Takes the options of run. Looks at the file, Redis and Kafka and changes nothing; done within some
10 s when all of them are away. docs/doctor.md lists the checks. Ends with 0 when nothing is worse
than a note, with 6 when something is a warning, with 7 when something is an error.
JSON names: ok, worst (ok, note, warning, error), findings[] with check, severity, found, breaks,
mend.`;

export function addDoctorCommand(program: Command, end: (code: number) => void): void {
  const command = program
    .command('doctor')
    .description('Say what would break, and how to mend it: file, disk, Redis, Kafka, times.')
    .option('--json', 'print JSON')
    .addHelpText('after', examples);
  addOptions(command).action(async (flags: Flags) => {
    const loaded = readOptions(flags);
    // Its faults say where a value came from.
    resolveLoaded(loaded, { rules: rulesOfDoctor });
    const diagnosis = await diagnose(loaded.options as unknown as RelayOptions);
    if (flags['json'] === true) printJson(diagnosis);
    else process.stdout.write(`${render(diagnosis)}\n`);
    end(exitCodeOfWorst(diagnosis.worst));
  });
}

export function exitCodeOfWorst(worst: Severity): number {
  if (worst === 'error') return exitCodes.unhealthy.code;
  return worst === 'warning' ? exitCodes.warning.code : exitCodes.ok.code;
}

/** The diagnosis as people read it: by subject, with what it breaks where it is not in order. */
export function render({ findings }: Diagnosis): string {
  const subjects = new Map<string, Finding[]>();
  for (const finding of findings) {
    const [subject = ''] = finding.check.split('.');
    subjects.set(subject, [...(subjects.get(subject) ?? []), finding]);
  }
  const groups = [...subjects].map(([subject, found]) => {
    return [subject, ...found.flatMap(linesOf)].join('\n');
  });
  const counts = severities.map((severity) => {
    return `${findings.filter((one) => one.severity === severity).length} ${severity}`;
  });
  return [...groups, counts.join(', ')].join('\n\n');
}

function linesOf({ check, severity, found, breaks, mend }: Finding): string[] {
  const lines = [`  ${severity.padEnd(9)}${check.padEnd(25)}${found}`];
  const indent = ' '.repeat(11);
  if (breaks !== null) lines.push(`${indent}breaks: ${breaks}`);
  if (mend !== null) lines.push(`${indent}mend: ${mend}`);
  return lines;
}
