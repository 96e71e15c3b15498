/** Who goes through the outage. Each delivers in a process that is started again when it dies. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openOutbox, openStatus } from '../../../src/index.ts';
import { cliFile, Supervisor } from '../../demo/child.ts';
import type { RawEvent } from '../events.ts';
import type { Services } from '../services.ts';
import type { DeliveryTask } from './delivery.ts';
import type { RivalOutbox } from './outbox.ts';

export interface Side {
  readonly name: string;
  /** Starts to deliver to the topic. */
  start(topic: string): Supervisor;
  /** Resolves when the event is accepted. */
  publish(topic: string, event: RawEvent): Promise<unknown>;
  /** Events that it has still to deliver, as it says, and those that it has given up. */
  waiting(): Promise<number>;
  abandoned(): Promise<number>;
  close(): Promise<void>;
}

export interface Place {
  readonly folder: string;
  readonly services: Services;
}

/** All options as they are by default. */
export function ourSide({ folder, services }: Place): Side {
  const path = join(folder, 'outage.db');
  const outbox = openOutbox({ path });
  const status = openStatus(path);
  const { brokers, redis } = services;
  const command = [cliFile, 'run', '--db', path, '--brokers', brokers, '--redis', redis];
  return {
    name: 'ours',
    start: () => new Supervisor(command, join(folder, 'outage-ours.log')),
    publish: (topic, event) => outbox.publish({ topic, ...event }),
    waiting: async () => status.read().pending,
    abandoned: async () => 0,
    async close() {
      status.close();
      await outbox.close();
    },
  };
}

const deliveryFile = fileURLToPath(new URL('./delivery-main.ts', import.meta.url));

/** The outbox stays open: it belongs to the caller. */
export function rivalSide(outbox: RivalOutbox, { folder, services }: Place): Side {
  const { database, listener } = outbox;
  return {
    name: `the rival's ${listener} listener`,
    start(topic) {
      const task: DeliveryTask = { database, broker: services.brokers, topic, listener };
      const log = join(folder, `outage-${listener}.log`);
      return new Supervisor([deliveryFile, JSON.stringify(task)], log);
    },
    publish: (_topic, event) => outbox.publish(event),
    waiting: () => outbox.waiting(),
    abandoned: () => outbox.abandoned(),
    close: async () => {},
  };
}
