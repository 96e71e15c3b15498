/** `outbox-relay run --print-config`: what a relay would run with, and that it does not run. */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parse } from 'yaml';
import { CommandLine } from '../support/cli.ts';

let cli: CommandLine;
beforeEach(() => {
  cli = new CommandLine();
});
afterEach(() => cli.close());

const env = {
  OUTBOX_RELAY_REDIS: 'redis://relay:hidden@127.0.0.1:6379',
  OUTBOX_RELAY_KAFKA_SASL_PASSWORD: 'hidden',
};
const print = (...args: string[]) => {
  const config = cli.write(
    'relay.yml',
    'brokers: [kafka:9092]\nkafka: { ssl: true, sasl: { mechanism: plain, username: relay } }\n',
  );
  const options = { env: { ...process.env, ...env } };
  const flags = ['--db', cli.db, '--config', config, '--print-config', ...args];
  return cli.run(['run', ...flags], options);
};
const resolved = {
  brokers: ['kafka:9092'],
  redis: 'redis://relay:***@127.0.0.1:6379',
  retry: { retries: 60, delayMs: 5_000 },
  kafka: {
    ssl: { caFile: null, checkHostname: true },
    sasl: { mechanism: 'PLAIN', username: 'relay', password: '***' },
    compression: 'lz4',
  },
};

it('prints every option as YAML or JSON, masks secrets, and starts nothing', async () => {
  const yaml = await print('--kafka-compression', 'lz4');
  expect(yaml).toMatchObject({ code: 0, err: '' });
  expect(parse(yaml.out)).toMatchObject({ db: cli.db, ...resolved });
  const json = await print('--kafka-compression', 'lz4', '--json');
  expect(JSON.parse(json.out)).toEqual(parse(yaml.out));
  expect(`${yaml.out}${json.out}`).not.toContain('hidden');
  expect(existsSync(cli.db)).toBe(false);
});

it('reports faults like run does, without a secret', async () => {
  const { code, out, err } = await print('--kafka-sasl-scope', 'x', '--kafka-ssl-ca-file', 'none');
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toContain('kafka.sasl.scope (--kafka-sasl-scope): has no effect with PLAIN');
  expect(err).toContain('kafka.ssl.caFile (--kafka-ssl-ca-file): must be a file that can be read');
  expect(err).not.toContain('hidden');
});
