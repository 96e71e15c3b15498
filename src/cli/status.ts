/** `outbox-relay status`: how an outbox and its relay are, from the file alone. */
import type { Command } from 'commander';
import type { OutboxStatus } from '../admin/status.ts';
import { resolveFile } from '../config/resolve.ts';
import { pause, systemClock } from '../core/clock.ts';
import { limits } from '../core/limits.ts';
import { openStatus } from '../outbox-file.ts';
import { addOptions, type Flags, readOptions } from './options.ts';
import { printJson } from './report.ts';
import type { Shell } from './shell.ts';
import { timeOf } from './table.ts';

const watchMs = 1_000;

const examples = `
Examples:
  outbox-relay status --db shop.db
  outbox-relay status --db shop.db --watch
  outbox-relay status --db shop.db --json | jq .pending

JSON names: relay (running, stale, none), pending, delivered, held, retrying, blocked, dead,
removed, stops[] with held, pausedTopics, pausedLanes, oldestPendingAgeMs, ratePerSecond,
secondsToEmpty, circuit, lanes[] with cursor and failure. The file is only read; it takes
the same time at any backlog. With --watch --json: one line a second.`;

export function addStatusCommand(program: Command, shell: Shell): void {
  const command = program
    .command('status')
    .description('Show what is pending and delivered, and whether a relay is at work.')
    .option('--watch', 'show it again every second, until interrupted')
    .option('--json', 'print JSON')
    .addHelpText('after', examples);
  addOptions(command, ['db']).action((flags: Flags) => status(flags, shell));
}

async function status(flags: Flags, shell: Shell): Promise<void> {
  const { db } = resolveFile(readOptions(flags));
  const outbox = openStatus(db);
  const watch = flags['watch'] === true;
  const live = watch && process.stdout.isTTY === true && flags['json'] !== true;
  try {
    do {
      const now = outbox.read();
      if (live) process.stdout.write('\x1b[H\x1b[2J');
      if (flags['json'] === true) printJson(now);
      else process.stdout.write(`${render(db, now)}\n`);
    } while (watch && (await nextSecond(shell.interrupted)));
  } finally {
    outbox.close();
  }
}

/** False when the user has interrupted: that is how a watch ends, and no failure. */
async function nextSecond(interrupted: AbortSignal): Promise<boolean> {
  await pause(systemClock, watchMs, interrupted);
  return !interrupted.aborted;
}

/** The status as people read it. */
export function render(db: string, status: OutboxStatus): string {
  const count = (value: number) => value.toLocaleString('en-US');
  const rows: [string, string][] = [
    ['outbox', `${db} (${status.outboxId})`],
    [
      'relay',
      status.circuit === null ? status.relay : `${status.relay}, circuit ${status.circuit}`,
    ],
    ['pending', count(status.pending)],
    ['delivered', `${count(status.delivered)} of ${count(status.accepted)} accepted`],
    ['held', heldText(status)],
    ['oldest pending', age(status.oldestPendingAgeMs)],
    ['rate', `${count(Math.round(status.ratePerSecond))} events/s`],
    ['empty in', status.secondsToEmpty === null ? 'nothing moves' : `${status.secondsToEmpty} s`],
    ['rounds used up', count(status.roundsUsedUp)],
  ];
  if (status.removed > 0) rows.push(['removed', `${count(status.removed)} by operators`]);
  const paused = [
    ...status.pausedTopics.map((topic) => `topic ${topic}`),
    ...status.pausedLanes.map((lane) => `lane ${lane}`),
  ];
  if (paused.length > 0) rows.push(['paused', paused.join(', ')]);
  for (const { topic, partition, code, message, sinceMs, held } of status.stops) {
    const where = partition === null ? topic : `${topic}, partition ${partition}`;
    const since = `since ${timeOf(sinceMs)}, ${upTo(held)} held of the topic`;
    rows.push(['stopped', `${where}: ${code}, ${since}; ${message}`]);
  }
  const failing = status.lanes.filter(({ failure }) => failure !== null);
  for (const { lane, failure, failures } of failing) {
    if (failure === null) continue;
    const where = failure.topic === null ? '' : `, topic ${failure.topic}`;
    const which = failure.seq === null ? '' : `, seq ${failure.seq}`;
    const what = `${failure.kind}: ${failure.code}${where}${which}, ${failures} tries`;
    rows.push([`lane ${lane} waits`, `${what}; ${failure.message}`]);
  }
  return rows.map(([name, value]) => `${name.padEnd(16)}${value}`).join('\n');
}

function heldText({ held, retrying, blocked, dead }: OutboxStatus): string {
  if (held === 0) return '0';
  const others = blocked === null ? 'others blocked' : `${blocked.toLocaleString('en-US')} blocked`;
  const parts = [`${upTo(retrying)} retrying`, others, `${upTo(dead)} dead`];
  return `${held.toLocaleString('en-US')}: ${parts.join(', ')}`;
}

/** What is counted up to a bound says nothing beyond it. */
function upTo(counted: number): string {
  const text = counted.toLocaleString('en-US');
  return counted < limits.heldCountMax ? text : `${text} or more`;
}

function age(ms: number | null): string {
  if (ms === null) return 'none';
  const seconds = Math.round(ms / 1_000);
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
