import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { createBullMqTrigger } from '../../src/trigger/bullmq.ts';
import { createInProcessTrigger } from '../../src/trigger/in-process.ts';
import { RedisServer } from '../support/redis.ts';
import { triggerContract } from './trigger.suite.ts';

describe('the trigger on BullMQ', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterAll(() => redis.stop());

  triggerContract('job', (parts) => {
    const queue = { url: redis.url, prefix: '{contract}', outboxId: randomUUID() };
    return createBullMqTrigger({ ...queue, ...parts, clock: systemClock });
  });
});

describe('the trigger in the process', () => {
  triggerContract('sweep', (parts) => createInProcessTrigger({ ...parts, clock: systemClock }));
});
