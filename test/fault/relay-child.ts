/**
 * A relay as a process of its own, for faults of its disk and of its clock. One argument: JSON of
 * the options. A line `{"jumpMs": 3600000}` on its stdin sets its wall clock forward. Prints one
 * line of JSON per event.
 */
import { createInterface } from 'node:readline';
import { createRelay, type RelayOptions } from '../../src/index.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as RelayOptions;
const say = (event: string, facts: object = {}) =>
  process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);

const relay = createRelay(options, {
  onStep: (step, lane) => {
    if (step === 'claimed' || step === 'released') say(step, { lane });
  },
});
relay.on('delivered', (facts) => say('delivered', facts));
relay.on('laneFailed', ({ lane, failure: { kind } }) => say('laneFailed', { lane, kind }));
relay.on('leaseLost', (facts) => say('leaseLost', facts));
relay.on('leaseTaken', ({ lane }) => say('leaseTaken', { lane }));
await relay.start();
say('started');

const wallClock = Date.now.bind(Date);
let aheadMs = 0;
Date.now = () => wallClock() + aheadMs;
createInterface({ input: process.stdin }).on('line', (line) => {
  aheadMs += (JSON.parse(line) as { jumpMs: number }).jumpMs;
  say('clock', { aheadMs });
});
