/** `outbox-relay run`, as a user or a supervisor starts and ends it, against a real Kafka. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OutboxStatus } from '../../src/admin/status.ts';
import type { Child } from '../support/child.ts';
import { CommandLine } from '../support/cli.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/wait.ts';

let kafka: KafkaBroker;
let cli: CommandLine;
let topic: string;
let frozen = false;

beforeAll(async () => {
  kafka = await KafkaBroker.start();
});
afterAll(() => kafka?.stop());
beforeEach(async () => {
  cli = new CommandLine();
  topic = `cli-${crypto.randomUUID()}`;
  await kafka.createTopic(topic, 1);
});
afterEach(async () => {
  if (frozen) await kafka.container.unpause();
  frozen = false;
  await cli.close();
});

/** A broker that answers nothing: what is sent now is in flight until the test's end. */
async function freezeKafka(): Promise<void> {
  frozen = true;
  await kafka.container.pause();
}

const publish = (...values: string[]) =>
  cli.run(['publish', '--db', cli.db], {
    input: values.map((value) => `${JSON.stringify({ topic, key: 'k', value })}\n`).join(''),
  });
const status = () => cli.json<OutboxStatus>('status', '--db', cli.db);
const statusIs = (what: Partial<OutboxStatus>) =>
  until(
    `status ${JSON.stringify(what)}`,
    async () => {
      const now = await status();
      return Object.entries(what).every(([name, value]) => now[name as never] === value);
    },
    { everyMs: 100 },
  );

/** The log line with this message. */
async function logged(child: Child, message: string): Promise<Record<string, unknown>> {
  const line = await child.line(`"msg":"${message}"`);
  return JSON.parse(line) as Record<string, unknown>;
}

describe('run', () => {
  it('relays until SIGTERM and ends with 0; status tells how it is', async () => {
    await publish('one', 'two');
    const child = cli.start(['run', '--db', cli.db, '--brokers', kafka.address]);
    const records = await kafka.consume(topic, 2);
    expect(records.map(({ value }) => String(value))).toEqual(['one', 'two']);
    await statusIs({ relay: 'running', circuit: 'closed', delivered: 2, pending: 0 });
    child.signal('SIGTERM');
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(child.errors).toEqual([]);
    expect(JSON.parse(child.lines.at(-1) ?? '')).toMatchObject({ clean: true, msg: 'stopped' });
    await statusIs({ relay: 'none', circuit: null, delivered: 2 });
  });

  it('ends with 0 on SIGINT too, before it has reached anything', async () => {
    const child = cli.start(['run', '--db', cli.db, '--brokers', `127.0.0.1:${await freePort()}`]);
    await logged(child, 'started');
    child.signal('SIGINT');
    expect(await child.ended).toEqual({ code: 0, signal: null });
  });

  it('says at its deadline what it had to cut off, and ends with 5', async () => {
    const child = cli.start([
      ...['run', '--db', cli.db, '--brokers', kafka.address, '--stop-deadline', '300'],
    ]);
    await publish('delivered');
    await statusIs({ delivered: 1 });
    await freezeKafka();
    await publish('cut off');
    await statusIs({ pending: 1 });
    child.signal('SIGTERM');
    expect(await child.ended).toEqual({ code: 5, signal: null });
    expect(child.errors.join('\n')).toMatch(/^STOP_DEADLINE: .*\n {2}hint: /);
    await statusIs({ pending: 1 });
  });

  it('ends at once on a second signal', async () => {
    const child = cli.start([
      ...['run', '--db', cli.db, '--brokers', kafka.address, '--stop-deadline', '60000'],
    ]);
    await publish('delivered');
    await statusIs({ delivered: 1 });
    await freezeKafka();
    await publish('on its way');
    await statusIs({ pending: 1 });
    child.signal('SIGTERM');
    await logged(child, 'stopping; a second signal stops at once');
    child.signal('SIGTERM');
    expect(await child.ended).toEqual({ code: 143, signal: null });
  });

  it('is told to be stale when it was killed', async () => {
    const child = cli.start(['run', '--db', cli.db, '--brokers', kafka.address]);
    await logged(child, 'started');
    await statusIs({ relay: 'running' });
    await child.kill();
    expect((await status()).relay).toBe('stale');
  });

  it('takes options from file, environment and flags, the later before the earlier', async () => {
    const file = cli.write(
      'outbox-relay.yml',
      [
        `db: ${cli.db}`,
        `brokers: [127.0.0.1:1]`,
        'retry: { retries: 1, delayMs: 1001, jitter: 0.1 }',
      ].join('\n'),
    );
    const env = {
      OUTBOX_RELAY_CONFIG: file,
      OUTBOX_RELAY_BROKERS: '127.0.0.1:2',
      OUTBOX_RELAY_RETRY_DELAY_MS: '1002',
    };
    const child = cli.start(['run', '--brokers', kafka.address, '--jitter', '0.2'], { env });
    expect(await logged(child, 'starting')).toMatchObject({
      db: cli.db,
      brokers: [kafka.address],
      retry: { retries: 1, delayMs: 1002, jitter: 0.2 },
    });
  });

  it('tells all faults of its options at once, with their sources, and makes no file', async () => {
    const { code, err } = await cli.run(
      ['run', '--db', cli.db, '--retries', 'many', '--batch-events', '0'],
      { env: { OUTBOX_RELAY_BROKERS: 'nowhere:port', OUTBOX_RELAY_REDIS: 'redis://u:secret@' } },
    );
    expect(code).toBe(2);
    expect(err).toMatch(/^CONFIG_INVALID: /);
    for (const part of ['--retries', '--batch-events', 'OUTBOX_RELAY_BROKERS', 'many']) {
      expect(err).toContain(part);
    }
    expect(err).not.toContain('secret');
    expect((await cli.run(['status', '--db', cli.db])).err).toMatch(/^FILE_NOT_FOUND/);
  });

  it('refuses a file it cannot use, with the exit code for files', async () => {
    const db = cli.write('shop.db', 'this is no SQLite file, whatever its name says'.repeat(40));
    const { code, err } = await cli.run(['run', '--db', db, '--brokers', kafka.address]);
    expect(code).toBe(4);
    expect(err).toMatch(/^FILE_UNUSABLE: /);
  });

  it('logs neither keys nor values, at its most talkative', async () => {
    await cli.run(['publish', '--db', cli.db], {
      input: `${JSON.stringify({ topic, key: 'key-secret', value: 'value-secret' })}\n`,
    });
    const child = cli.start([
      ...['run', '--db', cli.db, '--brokers', kafka.address, '--log-level', 'debug'],
    ]);
    await logged(child, 'delivered');
    child.signal('SIGTERM');
    await child.ended;
    expect(child.lines.join('\n')).not.toMatch(/(key|value)-secret/);
  });
});
