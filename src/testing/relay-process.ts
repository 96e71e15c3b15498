/**
 * A relay as a process of its own, for tests that kill or freeze it; a program, started by
 * relay-handle.ts. How it is told what to do, and what it tells, is in relay-orders.ts.
 *
 * What it tells is written synchronously: a line that tells of a step is in the pipe before the
 * signal that ends the process.
 */
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createRelay, type Relay } from '../app.ts';
import { OutboxRelayError } from '../core/errors.ts';
import { type RelayOrders, type RelayTold, type StepFault, stopLine } from './relay-orders.ts';

const stdout = 1;

function tell(event: RelayTold['event'], facts: object = {}): void {
  let rest = Buffer.from(`${JSON.stringify({ event, ...facts })}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(stdout, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error; // the pipe is full
    }
  }
}

function stepHook({ step: wanted, nth, signal }: StepFault) {
  let times = 0;
  return (step: string, lane: number): void => {
    if (step !== wanted) return;
    times += 1;
    if (times > nth) return;
    tell('step', { step, lane, times });
    if (times === nth) process.kill(process.pid, signal);
  };
}

function listen(relay: Relay): void {
  relay.on('delivered', (facts) => tell('delivered', facts));
  relay.on('laneFailed', ({ lane, failure }) => {
    tell('laneFailed', { lane, kind: failure.kind, code: failure.code });
  });
  relay.on('leaseTaken', (facts) => tell('leaseTaken', facts));
  relay.on('leaseLost', (facts) => tell('leaseLost', facts));
  relay.on('circuit', ({ state }) => tell('circuit', { state }));
  relay.on('warning', ({ code, message }) => tell('warning', { code, message }));
}

function fail(error: unknown): never {
  const { code } = error instanceof OutboxRelayError ? error : { code: 'UNKNOWN' };
  tell('failed', { code, message: error instanceof Error ? error.message : String(error) });
  process.exit(1);
}

async function start({ options, fault }: RelayOrders): Promise<Relay> {
  const relay = createRelay(options, fault === null ? {} : { onStep: stepHook(fault) });
  listen(relay);
  await relay.start();
  tell('started', { lanes: relay.status().lanes.length });
  return relay;
}

let running: Promise<Relay> | null = null;
const input = createInterface({ input: process.stdin });
input.on('line', (line) => {
  if (running === null) {
    running = start(JSON.parse(line) as RelayOrders);
    running.catch(fail);
  } else if (line === stopLine) {
    void running.then((relay) => relay.stop()).then(() => process.exit(0), fail);
  }
});
input.on('close', () => process.exit(1));
