/** The images that tests start: from the environment, else what the set-up has written down. */
import { existsSync, readFileSync } from 'node:fs';
import { kafkaImageDefault } from '../../src/testing/kafka.ts';
import { redisImageDefault } from '../../src/testing/redis.ts';

export { sessionLabels } from '../../src/testing/container.ts';

function recorded(key: string): string | undefined {
  const file = new URL('../../.env', import.meta.url);
  if (!existsSync(file)) return undefined;
  return new RegExp(`^${key}=(.+)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1];
}

const image = (key: string, official: string) => process.env[key] || recorded(key) || official;

export const kafkaImage = () => image('KAFKA_IMAGE', kafkaImageDefault);
export const redisImage = () => image('REDIS_IMAGE', redisImageDefault);
/** Built by the set-up (scripts/images/kdc): no registry has it. */
export const kdcImage = () => image('KDC_IMAGE', 'outbox-relay/kdc:local');
