/** The images that tests start: from the environment, else what the set-up has written down. */
import { existsSync, readFileSync } from 'node:fs';

function recorded(key: string): string | undefined {
  const file = new URL('../../.env', import.meta.url);
  if (!existsSync(file)) return undefined;
  return new RegExp(`^${key}=(.+)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
}

const image = (key: string, official: string) => process.env[key] || recorded(key) || official;

export const kafkaImage = () => image('KAFKA_IMAGE', 'apache/kafka:4.3.1');
export const redisImage = () => image('REDIS_IMAGE', 'redis:7.4');
/** Built by the set-up (scripts/images/kdc): no registry has it. */
export const kdcImage = () => image('KDC_IMAGE', 'outbox-relay/kdc:local');

/** By this label the test runner sees what a test has left behind. */
export const sessionLabels = () => ({
  'org.outbox-relay.session': process.env['OUTBOX_RELAY_TEST_SESSION'] ?? 'manual',
});
