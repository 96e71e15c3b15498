/** What docs/security.md says that a relay needs for `delivery: 'exactly-once'`, and no more. */
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStatus, type Relay } from '../../src/index.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { freePort } from '../support/ports.ts';
import { allDelivered, Scene } from '../support/scene.ts';
import { until } from '../support/wait.ts';

const { TOPIC, GROUP, TRANSACTIONAL_ID } = AclResourceTypes;
const { READ, WRITE, DESCRIBE, CREATE, ALTER } = AclOperationTypes;
const listener = 'LOGIN';

let kafka: KafkaBroker;
let port: number;
let scene: Scene;

beforeAll(async () => {
  port = await freePort();
  const module = 'org.apache.kafka.common.security.plain.PlainLoginModule required';
  kafka = await KafkaBroker.start({
    listeners: [{ name: listener, protocol: 'SASL_PLAINTEXT', port }],
    env: {
      KAFKA_AUTHORIZER_CLASS_NAME: 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      KAFKA_SUPER_USERS: 'User:ANONYMOUS', // whoever comes without a login: the test itself
      [`KAFKA_LISTENER_NAME_${listener}_SASL_ENABLED_MECHANISMS`]: 'PLAIN',
      [`KAFKA_LISTENER_NAME_${listener}_PLAIN_SASL_JAAS_CONFIG`]: `${module} user_relay="word";`,
    },
  });
});
afterAll(() => kafka?.stop());
beforeEach(async () => {
  scene = new Scene(2);
  scene.enqueue(100);
  await kafka.createTopic(scene.topic);
});
afterEach(() => scene.close());

interface Right {
  readonly resourceType: AclResourceTypes;
  readonly resourceName: string;
  readonly isPrefix?: true;
  readonly operations: readonly AclOperationTypes[];
}

const written = (): Right => {
  return { resourceType: TOPIC, resourceName: scene.topic, operations: [WRITE, DESCRIBE] };
};

/** As docs/security.md has them. */
function needed(): Right[] {
  const status = openStatus(scene.db);
  const resourceName = `${status.read().outboxId}-`;
  status.close();
  const ids = { resourceType: TRANSACTIONAL_ID, resourceName, isPrefix: true } as const;
  const group = { resourceType: GROUP, resourceName: 'outbox-relay.', isPrefix: true } as const;
  const marks = { resourceType: TOPIC, resourceName: 'outbox-relay.watermarks' };
  return [
    { ...ids, operations: [WRITE, DESCRIBE] },
    { ...group, operations: [READ, DESCRIBE] },
    { ...marks, operations: [READ, DESCRIBE, CREATE, ALTER] },
  ];
}

async function allow(rights: readonly Right[]): Promise<void> {
  const admin = new Kafka({ brokers: [kafka.address], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const of = { principal: 'User:relay', host: '*', permissionType: AclPermissionTypes.ALLOW };
    const acl = rights.flatMap(({ operations, isPrefix, ...resource }) => {
      const { PREFIXED, LITERAL } = ResourcePatternTypes;
      const resourcePatternType = isPrefix === true ? PREFIXED : LITERAL;
      return operations.map((operation) => ({
        ...of,
        ...resource,
        resourcePatternType,
        operation,
      }));
    });
    await admin.createAcls({ acl });
  } finally {
    await admin.disconnect();
  }
}

async function start(): Promise<Relay> {
  const sasl = { mechanism: 'PLAIN', username: 'relay', password: 'word' } as const;
  const relay = scene.relay(`localhost:${port}`, {
    delivery: 'exactly-once',
    createTopics: 'never',
    kafka: { sasl },
  });
  await relay.start();
  return relay;
}

describe('a principal that delivers exactly once', () => {
  it('cannot with the right to write its topics alone', async () => {
    await allow([written()]);
    const relay = await start();
    const failure = await until('it is refused', () => {
      return relay.status().lanes.find((lane) => lane.failure !== null)?.failure;
    });
    expect(failure.code).toMatch(/AUTHORIZATION_FAILED$/);
    expect(relay.status()).toMatchObject({ delivered: 0, held: 0 });
  });

  it('can with what the documents say', async () => {
    await allow([written(), ...needed()]);
    const relay = await start();
    await scene.drained(relay);
    const account = await scene.account(kafka.committed);
    expect(account).toMatchObject({ ...allDelivered, duplicated: 0, delivered: 100 });
  });
});
