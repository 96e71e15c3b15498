/**
 * A relay that is wrong, or the sound one beside it. One argument: JSON of the options, and which:
 *   hasty    : takes a batch for acknowledged before Kafka has it; killed at its `on`-th settling.
 *   unfenced : keeps nobody out of its transactions; frozen before its `on`-th send.
 */
import { createRelay, type RelayOptions } from '../../src/index.ts';
import type { Driver } from '../../src/sink/driver.ts';
import { WatchedDriver } from './watched-driver.ts';

interface Given extends RelayOptions {
  readonly on: number;
  readonly kind: 'hasty' | 'unfenced';
  readonly mutated: boolean;
}

const { on, kind, mutated, ...options } = JSON.parse(process.argv[2] ?? '{}') as Given;
const fatal =
  kind === 'hasty'
    ? ({ step: 'settled', signal: 'SIGKILL' } as const)
    : ({ step: 'checked', signal: 'SIGSTOP' } as const);
let seen = 0;
/** The lane that was frozen before its send. */
let frozen: number | null = null;

/** The records go when the cursor has moved. */
function hasty(driver: Driver): Driver {
  return {
    name: driver.name,
    createSender: (label) => {
      const sender = driver.createSender(label);
      return {
        send: async (records, deadlineMs) => {
          setImmediate(() => void sender.send(records, deadlineMs));
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
  onStep: (step, lane) => {
    if (step === 'sent' && lane === frozen) process.stdout.write('sent\n');
    if (step !== fatal.step) return;
    seen += 1;
    if (seen !== on) return;
    frozen = lane;
    process.kill(process.pid, fatal.signal);
  },
});
await relay.start();
