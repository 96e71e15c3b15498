/**
 * A relay that is wrong, or the sound one beside it. One argument: JSON of the options, and which:
 *   hasty    : moves the cursor before Kafka has answered; killed at its `on`-th settling after the
 *              first. Says `settled`, and `sending` before each further send.
 *   unfenced : keeps nobody out of its transactions; frozen before its `on`-th send.
 */
import { createRelay, type DrainStep, type RelayOptions } from '../../src/index.ts';
import type { Driver } from '../../src/sink/driver.ts';
import { WatchedDriver } from './watched-driver.ts';

interface Given extends RelayOptions {
  readonly on: number;
  readonly kind: 'hasty' | 'unfenced';
  readonly mutated: boolean;
}

const { on, kind, mutated, ...options } = JSON.parse(process.argv[2] ?? '{}') as Given;
const counts = { settled: 0, checked: 0 };
/** The lane that was frozen before its send. */
let frozen: number | null = null;
const say = (text: string) => process.stdout.write(`${text}\n`);

function hastyStep(step: DrainStep): void {
  if (step === 'checked' && counts.settled > 0) say('sending');
  if (step !== 'settled') return;
  counts.settled += 1;
  say('settled');
  if (mutated && counts.settled > on) process.kill(process.pid, 'SIGKILL');
}

function unfencedStep(step: DrainStep, lane: number): void {
  if (step === 'sent' && lane === frozen) say('sent');
  if (step !== 'checked') return;
  counts.checked += 1;
  if (counts.checked !== on) return;
  frozen = lane;
  process.kill(process.pid, 'SIGSTOP');
}

/** Does not wait for Kafka's answer. */
function hasty(driver: Driver): Driver {
  return {
    name: driver.name,
    createSender: (label) => {
      const sender = driver.createSender(label);
      return {
        send: async (records, deadlineMs) => {
          void sender.send(records, deadlineMs);
          return { kind: 'acked', acks: [] };
        },
        close: () => sender.close(),
      };
    },
    leaders: (topics, deadlineMs) => driver.leaders(topics, deadlineMs),
    prepare: (topics, deadlineMs) => driver.prepare(topics, deadlineMs),
    close: (deadlineMs) => driver.close(deadlineMs),
  };
}

function mutantOf(driver: WatchedDriver): Driver {
  return kind === 'hasty' ? hasty(driver) : driver.withOwnId(`-${process.pid}`);
}

const relay = createRelay(options, {
  createDriver: (config) => {
    const driver = WatchedDriver.of(config);
    return mutated ? mutantOf(driver) : driver;
  },
  onStep: kind === 'hasty' ? hastyStep : unfencedStep,
});
await relay.start();
