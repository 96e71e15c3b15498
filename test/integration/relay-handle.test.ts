/** Relays in processes of their own: what the kit promises of them that needs no Kafka. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OutboxRelayError, openStatus } from '../../src/index.ts';
import {
  killRelayAt,
  type RelayProcess,
  startRelayProcess,
} from '../../src/testing/relay-handle.ts';
import { Child } from '../support/child.ts';
import { onWindows } from '../support/platform.ts';
import { freePort } from '../support/ports.ts';
import { Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

let scene: Scene;
/** Of a relay that reaches no Kafka. */
let options: { db: string; brokers: string[]; lanes: number; batchEvents: number };

beforeEach(async () => {
  scene = new Scene(4);
  const brokers = [`127.0.0.1:${await freePort()}`];
  options = { db: scene.db, brokers, lanes: 4, batchEvents: 50 };
});
afterEach(() => scene.close());

async function start(): Promise<RelayProcess> {
  const relay = await startRelayProcess(options);
  scene.onClose(() => relay.kill());
  return relay;
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('killRelayAt', () => {
  it('resolves when the relay is dead, with where it died', async () => {
    scene.enqueue(100);
    const killed = await killRelayAt('read', options, { nth: 2 });
    expect(killed).toMatchObject({ step: 'read', lanes: 4, batchEvents: 50 });
    expect([0, 1, 2, 3]).toContain(killed.lane);
    expect(isAlive(killed.relay.pid ?? 0)).toBe(false);
    if (!onWindows) expect((await killed.relay.ended).signal).toBe('SIGKILL');
    const steps = killed.relay.told.filter(({ event }) => event === 'step');
    expect(steps.map(({ times }) => times)).toEqual([1, 2]);
    expect(steps.at(-1)).toMatchObject({ step: 'read', lane: killed.lane });
  });

  it('says how often it came to the step, if not often enough, and ends the relay', async () => {
    scene.enqueue(100, { keys: 1 });
    const killing = killRelayAt('sent', options, { nth: 3, timeoutMs: 2_000 });
    const error = await killing.catch((thrown: unknown) => thrown as OutboxRelayError);
    expect(error).toMatchObject({
      code: 'STEP_NOT_REACHED',
      details: { step: 'sent', times: 0, nth: 3, pid: expect.any(Number) },
    });
    expect(isAlive(Number((error as OutboxRelayError).details['pid']))).toBe(false);
  });

  it('says what the relay said, when it ended otherwise', async () => {
    const folder = join(scene.folder, 'folder');
    mkdirSync(folder);
    const killing = killRelayAt('read', { ...options, db: folder });
    await expect(killing).rejects.toMatchObject({
      code: 'RELAY_PROCESS_ENDED',
      message: expect.stringContaining('FILE_UNUSABLE'),
      details: { code: 1, signal: null },
    });
  });

  it('refuses options before it starts anything', async () => {
    const invalid = { code: 'CONFIG_INVALID' };
    await expect(killRelayAt('read', { ...options, brokers: [] })).rejects.toMatchObject(invalid);
    await expect(killRelayAt('read', options, { nth: 0 })).rejects.toMatchObject(invalid);
    await expect(startRelayProcess({ ...options, db: '' })).rejects.toMatchObject(invalid);
    expect(() => openStatus(scene.db)).toThrow(expect.objectContaining({ code: 'FILE_NOT_FOUND' }));
  });
});

describe('a relay process', () => {
  it('starts, stops in good order, and says so', async () => {
    const relay = await start();
    expect(await relay.waitFor('started')).toEqual({ event: 'started', lanes: 4 });
    expect(await relay.stop()).toEqual({ code: 0, signal: null });
    await expect(relay.waitFor('delivered')).rejects.toMatchObject({ code: 'RELAY_PROCESS_ENDED' });
  });

  it('is not drained while something is pending, nor when it is killed', async () => {
    const relay = await start();
    await relay.drained();
    scene.enqueue(1);
    const waiting = relay.drained({ timeoutMs: 200 });
    await expect(waiting).rejects.toMatchObject({ code: 'TEST_TIMEOUT' });
    await Promise.all([
      expect(relay.drained()).rejects.toMatchObject({ code: 'RELAY_PROCESS_ENDED' }),
      relay.kill(),
    ]);
  });

  it('cannot start on what is no outbox, and is not left behind', async () => {
    mkdirSync(join(scene.folder, 'folder'));
    const starting = startRelayProcess({ ...options, db: join(scene.folder, 'folder') });
    await expect(starting).rejects.toMatchObject({ code: 'RELAY_PROCESS_ENDED' });
  });

  it('ends with whoever started it, though that is killed', async () => {
    const starter = Child.node('test/support/relay-starter-child.ts', [JSON.stringify(options)]);
    scene.onClose(() => starter.kill());
    const pid = Number((await starter.line('pid ')).slice('pid '.length));
    expect(isAlive(pid)).toBe(true);
    await starter.kill();
    await until('the relay has ended', () => !isAlive(pid));
  });
});
