/** A relay inside an application: its life, without a Kafka or a Redis to be seen. */
import { readdirSync } from 'node:fs';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePort } from '../support/ports.ts';
import { Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

let scene: Scene;
let nowhere: string;
beforeEach(async () => {
  scene = new Scene();
  nowhere = `127.0.0.1:${await freePort()}`;
});
afterEach(() => scene.close());

it('a relay starts once, tells its status while it runs, and stops twice', async () => {
  const relay = scene.relay(nowhere);
  const heard: string[] = [];
  relay.on('started', () => heard.push('started'));
  relay.on('stopped', ({ clean }) => heard.push(`stopped ${clean}`));
  expect(() => relay.status()).toThrow(expect.objectContaining({ code: 'RELAY_STATE' }));
  await relay.start();
  await expect(relay.start()).rejects.toMatchObject({ code: 'RELAY_STATE' });
  scene.enqueue(3);
  expect(relay.status()).toMatchObject({ pending: 3, delivered: 0 });
  await Promise.all([relay.stop(), relay.stop({ deadlineMs: 1 })]);
  expect(heard).toEqual(['started', 'stopped true']);
  expect(() => relay.status()).toThrow(expect.objectContaining({ code: 'RELAY_STATE' }));
});

it('a relay tells a logger of pino’s shape what it does', async () => {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  const logger = pino({ level: 'debug' }, stream);
  const relay = scene.relay(nowhere, { logger });
  await relay.start();
  scene.enqueue(1);
  await until('an open circuit', () => lines.some((line) => line.includes('circuit open')));
  await relay.stop();
  const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
  expect(messages[0]).toBe('started');
  expect(messages).toContain('lane waits');
  expect(messages.at(-1)).toBe('stopped');
  expect(lines.join('')).not.toMatch(/key-1|value 1/);
});

it('a relay stops in time while another process keeps the file locked', async () => {
  const relay = scene.relay(nowhere);
  await relay.start();
  const locker = new Database(scene.db);
  locker.exec('BEGIN IMMEDIATE');
  const startedMs = performance.now();
  await relay.stop({ deadlineMs: 500 });
  // 1.5 s are promised: the deadline, and a second to close.
  expect(performance.now() - startedMs).toBeLessThan(15_000);
  locker.exec('ROLLBACK');
  locker.close();
});

it('a relay whose driver cannot be made leaves the file closed', async () => {
  const createDriver = () => {
    throw new Error('no driver');
  };
  const relay = scene.relay(nowhere, {}, { createDriver });
  await expect(relay.start()).rejects.toThrow('no driver');
  // The last connection takes them along.
  expect(readdirSync(scene.folder)).toEqual(['outbox.db']);
});

it('a relay that is stopped while it starts ends stopped', async () => {
  const relay = scene.relay(nowhere);
  const heard: string[] = [];
  relay.on('started', () => heard.push('started'));
  relay.on('stopped', () => heard.push('stopped'));
  const starting = relay.start();
  const stopping = relay.stop();
  await expect(starting).rejects.toMatchObject({ code: 'RELAY_STATE' });
  await stopping;
  expect(heard).toEqual(['stopped']);
});

it('a relay and an outbox are given back at the end of their block', async () => {
  const heard: boolean[] = [];
  {
    await using relay = scene.relay(nowhere);
    relay.on('stopped', ({ clean }) => heard.push(clean));
    await using outbox = scene.outbox;
    await relay.start();
    outbox.enqueue({ topic: scene.topic, value: 'kept' });
  }
  expect(heard).toEqual([true]);
  expect(() => scene.outbox.enqueue({ topic: scene.topic, value: 'late' })).toThrow(
    expect.objectContaining({ code: 'OUTBOX_CLOSED' }),
  );
});

it('a relay may be stopped before it was started, and leaves the process alone', async () => {
  const events = ['SIGTERM', 'SIGINT', 'uncaughtException', 'unhandledRejection', 'exit'];
  const listeners = () => events.map((name) => process.listenerCount(name));
  const before = listeners();
  const relay = scene.relay(nowhere);
  await relay.stop();
  await expect(relay.start()).rejects.toMatchObject({ code: 'RELAY_STATE' });
  const other = scene.relay(nowhere);
  await other.start();
  expect(listeners()).toEqual(before);
  await other.stop();
  expect(process.exitCode).toBeUndefined();
});
