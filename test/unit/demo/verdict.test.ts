/** The checker as a command, over files: what a script sees is the exit code. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { consumedLine, type StampedRecord } from '../../../scripts/demo/consumed.ts';
import { acceptedLine } from '../../../scripts/demo/ledger.ts';
import { hashOf } from '../../../src/testing/checker.ts';
import { soundLog, withRecord, withSwapped } from '../testing/logs.ts';

const folder = mkdtempSync(join(tmpdir(), 'demo-verdict-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { ledger, consumed } = soundLog(24);
const command = fileURLToPath(new URL('../../../scripts/demo/verdict.ts', import.meta.url));
const ledgerFile = join(folder, 'ledger.jsonl');
const consumedFile = join(folder, 'consumed.jsonl');
writeFileSync(ledgerFile, `${ledger.accepted.map(acceptedLine).join('\n')}\n`);

function run(...args: string[]) {
  const command_ = ['--disable-warning=ExperimentalWarning', command, ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command_, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

function judge(records: readonly StampedRecord[], ...options: string[]) {
  writeFileSync(consumedFile, `${records.map(consumedLine).join('\n')}\n`);
  const { status, stdout } = run(ledgerFile, consumedFile, ...options);
  return { status, findings: JSON.parse(stdout) as Record<string, unknown> };
}

describe('verdict.ts LEDGER CONSUMED', () => {
  it('exits 0 for a sound log', () => {
    const { status, findings } = judge(consumed);
    expect({ status, faults: findings['faults'] }).toEqual({ status: 0, faults: [] });
  });

  const doubled = [
    ...consumed,
    ...consumed.slice(0, 5).map((one, at) => ({ ...one, offset: 90 + at })),
  ];
  const damage: [string, StampedRecord[], Record<string, number>][] = [
    ['an event dropped', withRecord(consumed, 5, () => []), { lost: 1 }],
    ['events doubled beyond the bound', doubled, { duplicated: 5 }],
    ['two events swapped within their key', withSwapped(consumed, 4, 8), { reordered: 1 }],
    [
      'an event altered',
      withRecord(consumed, 5, (one) => [{ ...one, hash: hashOf('altered') }]),
      { mismatched: 1 },
    ],
  ];
  it.each(damage)('exits 1 for %s', (_, records, expected) => {
    const { status, findings } = judge(records, '--duplicates-max', '4');
    expect(status).toBe(1);
    expect(findings).toMatchObject(expected);
  });

  it('exits 0 for repeats at the bound', () => {
    expect(judge(doubled, '--duplicates-max', '5').status).toBe(0);
  });

  it('exits 1 and names file and line for a damaged file', () => {
    const torn = join(folder, 'torn.jsonl');
    writeFileSync(torn, `${acceptedLine(ledger.accepted[0] as never)}\n["accepted",2]\n`);
    const { status, stderr } = run(torn, consumedFile);
    expect(status).toBe(1);
    expect(stderr).toContain('torn.jsonl:2: not a ledger line');
  });

  it.each([
    ['no files', []],
    ['a third file', ['a', 'b', 'c']],
    ['a bound that is no number', ['a', 'b', '--duplicates-max', 'many']],
    ['an option it does not know', ['a', 'b', '--loud']],
  ])('exits 2 with the usage for %s', (_, args) => {
    const { status, stderr } = run(...args);
    expect(status).toBe(2);
    expect(stderr).toContain('Usage:');
  });
});
