/** How long the doctor waits for services that take connections and never answer. */
import { join } from 'node:path';
import { diagnose } from 'outbox-relay';
import { describe, expect, it } from 'vitest';
import { said } from '../support/doctor.ts';
import { freePort } from '../support/ports.ts';
import { TcpProxy } from '../support/proxy.ts';

/** Kafka and Redis at the same address; there is no file. */
const optionsOf = ({ address }: TcpProxy) => {
  return { db: join('nowhere', 'shop.db'), brokers: [address], redis: `redis://${address}` };
};

describe('the doctor’s patience', () => {
  it('ends within ten seconds when Kafka and Redis take connections and never answer', async () => {
    const silent = await TcpProxy.listen(await freePort());
    silent.swallow();
    const start = performance.now();
    const diagnosis = await diagnose(optionsOf(silent));
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(said(diagnosis, 'redis.reachable')[0]).toMatch(/no answer within 3000 ms/);
    expect(said(diagnosis, 'kafka.reachable')[0]).toMatch(/no answer within 8000 ms/);
    await silent.close();
  });

  it('is over at once when it is told to give up', async () => {
    const silent = await TcpProxy.listen(await freePort());
    silent.swallow();
    const start = performance.now();
    const controller = new AbortController();
    const diagnosis = diagnose(optionsOf(silent), { signal: controller.signal });
    setImmediate(() => controller.abort());
    expect(await diagnosis).toMatchObject({ worst: 'error' });
    expect(performance.now() - start).toBeLessThan(2_500);
    await silent.close();
  });
});
