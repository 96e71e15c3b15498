/** What everybody may do with a topic, and how it is set up: changed while a test runs. */
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  type Admin,
  ConfigResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from 'kafkajs';

export class TopicRights {
  readonly #admin: Admin;

  private constructor(admin: Admin) {
    this.#admin = admin;
  }

  /** To a broker with a StandardAuthorizer that allows what no rule names. */
  static async connect(address: string): Promise<TopicRights> {
    const options = { brokers: [address], clientId: 'rights', logLevel: logLevel.NOTHING };
    const admin = new Kafka({ ...options, retry: { retries: 20 } }).admin();
    await admin.connect();
    return new TopicRights(admin);
  }

  /** Sets configuration entries of a topic, and no others. */
  async configure(topic: string, entries: Readonly<Record<string, string>>): Promise<void> {
    const configEntries = Object.entries(entries).map(([name, value]) => ({ name, value }));
    await this.#admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
    });
  }

  /** Nobody may write the topic any more; everything else is allowed. Returns what lifts that. */
  async forbidWrite(topic: string): Promise<() => Promise<void>> {
    const resource = {
      resourceType: AclResourceTypes.TOPIC,
      resourceName: topic,
      principal: 'User:*',
      host: '*',
    };
    const rule = { ...resource, resourcePatternType: ResourcePatternTypes.LITERAL };
    const all = { operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW };
    const none = { operation: AclOperationTypes.WRITE, permissionType: AclPermissionTypes.DENY };
    await this.#admin.createAcls({
      acl: [
        { ...rule, ...all },
        { ...rule, ...none },
      ],
    });
    return async () => {
      const filter = { ...resource, resourcePatternType: ResourcePatternTypes.LITERAL, ...none };
      await this.#admin.deleteAcls({ filters: [filter] });
    };
  }

  async close(): Promise<void> {
    await this.#admin.disconnect();
  }
}
