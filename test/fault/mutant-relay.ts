/**
 * A relay that is wrong: it takes a batch for acknowledged before Kafka has it. One argument: JSON
 * of the options, and `killOn`, the settling at which it is killed. `mutated: false`: the sound one.
 */
import { createRelay, type RelayOptions } from '../../src/index.ts';
import type { Driver } from '../../src/sink/driver.ts';
import { WatchedDriver } from './watched-driver.ts';

interface Given extends RelayOptions {
  readonly killOn: number;
  readonly mutated: boolean;
}

const { killOn, mutated, ...options } = JSON.parse(process.argv[2] ?? '{}') as Given;
let settled = 0;

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

const relay = createRelay(options, {
  createDriver: (config) => {
    const driver = WatchedDriver.of(config);
    return mutated ? hasty(driver) : driver;
  },
  onStep: (step) => {
    if (step !== 'settled') return;
    settled += 1;
    if (settled === killOn) process.kill(process.pid, 'SIGKILL');
  },
});
await relay.start();
