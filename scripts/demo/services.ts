/**
 * Kafka and Redis as the demo runs them: one container each, on ports of 127.0.0.1 that stay the
 * same when a container is killed and started again.
 */
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { parseEnv } from 'node:util';
import { type ContainerSpec, logsOf, runContainer } from './docker.ts';

export interface Images {
  readonly kafka: string;
  readonly redis: string;
}

const dotEnv = new URL('../../.env', import.meta.url);
const officialImages = { KAFKA_IMAGE: 'apache/kafka', REDIS_IMAGE: 'redis' };

/** From the environment, else from the `.env` that the set-up writes, else the official names. */
export function chooseImages(): Images {
  const written = existsSync(dotEnv) ? parseEnv(readFileSync(dotEnv, 'utf8')) : {};
  const choose = (name: keyof typeof officialImages) =>
    process.env[name] || written[name] || officialImages[name];
  return { kafka: choose('KAFKA_IMAGE'), redis: choose('REDIS_IMAGE') };
}

/**
 * One KRaft node. The broker's session is short, because a broker that was killed comes back only
 * when the session of its former self is over (9 s by default).
 */
export function kafkaSpec(name: string, image: string, port: number): ContainerSpec {
  return {
    name,
    image,
    port,
    containerPort: port,
    command: [],
    environment: {
      CLUSTER_ID: 'b3V0Ym94LXJlbGF5LWRlbQ',
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_LISTENERS: `PLAINTEXT://0.0.0.0:${port},CONTROLLER://127.0.0.1:29093`,
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'PLAINTEXT',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@127.0.0.1:29093',
      KAFKA_LOG_DIRS: '/var/lib/kafka/data',
      KAFKA_BROKER_SESSION_TIMEOUT_MS: '2000',
      KAFKA_BROKER_HEARTBEAT_INTERVAL_MS: '500',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_HEAP_OPTS: '-Xms256m -Xmx512m',
    },
  };
}

export function redisSpec(name: string, image: string, port: number): ContainerSpec {
  // Flags alone: the server is named redis-server in one image and valkey-server in another.
  const command = ['--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];
  return { name, image, port, containerPort: 6379, command, environment: {} };
}

/** Starts a container; a failure tells what to do about a missing image. */
export async function startService(spec: ContainerSpec): Promise<void> {
  try {
    await runContainer(spec);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const hint = /no such image|not found|unable to find/i.test(message)
      ? ` Run \`npm run setup\`, which provides the image ${spec.image}.`
      : '';
    throw new Error(`${message}${hint}`, { cause: error });
  }
}

/** Resolves when Redis answers. Rejects after `deadlineMs` with the container's last words. */
export async function redisReady(spec: ContainerSpec, deadlineMs: number): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    try {
      await askRedis(spec.port, 'PING');
      return;
    } catch (error) {
      if (performance.now() < endMs) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      const logs = await logsOf(spec.name);
      throw new Error(`Redis did not answer within ${deadlineMs} ms: ${logs}`, { cause: error });
    }
  }
}

const redisAnswerMs = 5_000;

/**
 * Sends one inline command (`PING`, `FLUSHALL`) over a connection of its own and resolves with the
 * answer's first line. Rejects on an error answer, a closed connection, or after 5 s.
 */
export function askRedis(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ host: '127.0.0.1', port });
    socket.setEncoding('utf8').setTimeout(redisAnswerMs);
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.on('connect', () => socket.write(`${command}\r\n`));
    socket.on('timeout', () => fail(new Error(`Redis did not answer ${command} in time`)));
    socket.on('error', fail);
    socket.on('close', () => fail(new Error(`Redis closed the connection before ${command}`)));
    socket.on('data', (chunk: string) => {
      answer += chunk;
      const line = /^(.*?)\r\n/.exec(answer)?.[1];
      if (line === undefined) return;
      if (!line.startsWith('+')) return fail(new Error(`Redis answered ${command} with ${line}`));
      socket.destroy();
      resolve(line.slice(1));
    });
  });
}
