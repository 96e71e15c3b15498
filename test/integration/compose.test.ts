/** docker-compose.yml, as a user brings it up, on free ports and under its own project name. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Child, root } from '../support/child.ts';
import { kafkaImage, redisImage, sessionLabels } from '../support/images.ts';
import { consumeFrom } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

const run = promisify(execFile);
const project = `outbox-relay-test-${randomUUID().slice(0, 8)}`;

let env: Record<string, string>;
let compose: (...args: string[]) => Promise<string>;
let scene: Scene;

/** Compose as a plugin, or the command of its own that Debian 12 has. */
async function composeCommand(): Promise<string[]> {
  const plugin = await run('docker', ['compose', 'version']).catch(() => null);
  return plugin === null ? ['docker-compose'] : ['docker', 'compose'];
}

beforeAll(async () => {
  scene = new Scene();
  const [command = '', ...first] = await composeCommand();
  const [kafkaPort, redisPort] = [String(await freePort()), String(await freePort())];
  const images = { KAFKA_IMAGE: kafkaImage(), REDIS_IMAGE: redisImage() };
  const session = Object.values(sessionLabels())[0] ?? '';
  const ports = { KAFKA_PORT: kafkaPort, REDIS_PORT: redisPort };
  env = { ...images, ...ports, OUTBOX_RELAY_TEST_SESSION: session };
  compose = async (...args) => {
    const options = { cwd: root, env: { ...process.env, ...env } };
    const given = [...first, '--project-name', project, ...args];
    return (await run(command, given, options)).stdout;
  };
  await compose('up', '-d');
});

afterAll(async () => {
  try {
    await scene.close();
  } finally {
    await compose?.('down', '--volumes');
  }
});

const cli = (...args: string[]) => Child.node('src/cli/main.ts', args);
const brokers = () => `127.0.0.1:${env['KAFKA_PORT']}`;
const client = () => new Redis(Number(env['REDIS_PORT']), '127.0.0.1');

describe('docker-compose.yml', () => {
  it('gives a Kafka and a Redis that are healthy, and that the relay uses', async () => {
    await deliverOne();
    const [record] = await consumeFrom(brokers(), scene.topic, 1);
    expect(String(record?.value)).toBe('value 1');
  });

  it('gives a Redis that evicts nothing and keeps what it holds', async () => {
    await healthy();
    const redis = client();
    try {
      expect(await redis.config('GET', 'maxmemory-policy')).toEqual([
        'maxmemory-policy',
        'noeviction',
      ]);
      expect(await redis.config('GET', 'appendonly')).toEqual(['appendonly', 'yes']);
    } finally {
      redis.disconnect();
    }
  });

  it('keeps its data in named volumes when its containers are removed', async () => {
    await deliverOne();
    const before = client();
    await before.set('kept', 'yes').finally(() => before.disconnect());
    // Not `down`: it would leave the images' own, nameless volumes behind for good.
    await compose('rm', '--stop', '--force', '-v');
    const names = (await run('docker', ['volume', 'ls', '--quiet'])).stdout.split('\n');
    const ours = names.filter((name) => name.startsWith(project)).sort();
    expect(ours).toEqual([`${project}_kafka-data`, `${project}_redis-data`]);

    await compose('up', '-d');
    await healthy();
    const after = client();
    expect(await after.get('kept').finally(() => after.disconnect())).toBe('yes');
    const { length } = scene.accepted;
    const records = await consumeFrom(brokers(), scene.topic, length);
    const ids = records.map(({ headers }) => headers['outbox-event-id']).sort();
    expect(ids).toEqual(scene.accepted.map(({ id }) => id).sort());
  });
});

/** One more event, through a relay of its own, as the job of a queue in this Redis. */
async function deliverOne(): Promise<void> {
  await healthy();
  scene.enqueue(1);
  const { length } = scene.accepted;
  const redis = `redis://127.0.0.1:${env['REDIS_PORT']}`;
  const relay = cli('run', '--db', scene.db, '--brokers', brokers(), '--redis', redis);
  try {
    await until('the event is delivered by the job', async () => {
      const status = cli('status', '--db', scene.db, '--json');
      await status.ended;
      const { delivered, deliveredByJob } = JSON.parse(status.lines[0] ?? '{}');
      return delivered === length && deliveredByJob === length;
    });
  } finally {
    relay.signal('SIGTERM');
    await relay.ended;
  }
}

const healthy = () => until('both are healthy', areHealthy, { timeoutMs: 90_000, everyMs: 500 });

async function areHealthy(): Promise<boolean> {
  const filter = `label=com.docker.compose.project=${project}`;
  const { stdout } = await run('docker', ['ps', '--filter', filter, '--format', '{{.Status}}']);
  return stdout.split('\n').filter((status) => status.includes('(healthy)')).length === 2;
}
