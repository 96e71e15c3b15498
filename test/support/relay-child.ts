/**
 * A relay as a process of its own, for tests that kill or freeze it. One argument: JSON of the
 * options, and `killAt` or `freezeAt`, a step at which it sends itself SIGKILL or SIGSTOP, at the
 * `killOn`-th time. Prints one JSON line per event. A line `{"jumpMs": 3600000}` on its stdin sets
 * its wall clock forward.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createRelay, type DrainStep, type RelayOptions } from '../../src/index.ts';

interface Given extends RelayOptions {
  readonly killAt?: DrainStep;
  readonly freezeAt?: DrainStep;
  readonly killOn?: number;
}

const { killAt, freezeAt, killOn = 1, ...options } = JSON.parse(process.argv[2] ?? '{}') as Given;
let seen = 0;
const say = (event: string, facts: unknown = {}) =>
  process.stdout.write(`${JSON.stringify({ event, ...(facts as object) })}\n`);

const relay = createRelay(options, {
  onStep: (step) => {
    if (step !== (killAt ?? freezeAt)) return;
    seen += 1;
    if (seen !== killOn) return;
    writeSync(1, `${JSON.stringify({ event: 'killed', killed: step })}\n`);
    process.kill(process.pid, killAt === undefined ? 'SIGSTOP' : 'SIGKILL');
  },
});
relay.on('delivered', (facts) => say('delivered', facts));
relay.on('leaseLost', (facts) => say('leaseLost', facts));
relay.on('leaseTaken', (facts) => say('leaseTaken', facts));
await relay.start();
say('started');
process.on('SIGTERM', () => {
  void relay.stop().then(() => process.exit(0));
});

const wallClock = Date.now.bind(Date);
let aheadMs = 0;
Date.now = () => wallClock() + aheadMs;
createInterface({ input: process.stdin }).on('line', (line) => {
  aheadMs += (JSON.parse(line) as { jumpMs: number }).jumpMs;
  say('clock', { jumped: aheadMs });
});
