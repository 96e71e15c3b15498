/**
 * A relay as a process of its own, for the nemesis. One argument: JSON of the options. A line
 * `{"jumpMs": 3600000}` on its stdin sets its wall clock forward.
 */
import { createInterface } from 'node:readline';
import { createRelay, type RelayOptions } from '../../src/index.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as RelayOptions;
const relay = createRelay(options);
await relay.start();

const wallClock = Date.now.bind(Date);
let aheadMs = 0;
Date.now = () => wallClock() + aheadMs;
createInterface({ input: process.stdin }).on('line', (line) => {
  aheadMs += (JSON.parse(line) as { jumpMs: number }).jumpMs;
  process.stdout.write(`${JSON.stringify({ event: 'clock', aheadMs })}\n`);
});
