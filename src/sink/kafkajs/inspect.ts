/**
 * Questions to a cluster: who is there, how brokers and topics are set up. Writes nothing, creates
 * no topic, and gives up in time; what was learnt until then is kept.
 */
import { type Clock, within } from '../../core/clock.ts';
import { classify } from '../classify.ts';
import type {
  BrokerFacts,
  BrokerSettings,
  Copies,
  SinkInspection,
  SinkProblem,
  TopicFacts,
  TopicSettings,
  Unreachable,
} from '../inspection.ts';
import type { BrokerSecurity } from '../security.ts';
import { type Admin, Client } from './client.ts';
import { askVersions } from './versions.ts';

export interface SinkQuestion {
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly security: BrokerSecurity;
  readonly topics: readonly string[];
  /** How long to wait for everything, milliseconds. */
  readonly deadlineMs: number;
  readonly clock: Clock;
  /** Gives up at once when it aborts. */
  readonly signal: AbortSignal | null;
}

const connectTimeoutMs = 2_000;
/** With one of two brokers away, one question in a million meets that one each time. */
const triesMax = 20;
/** `ConfigResourceTypes` of kafkajs, which are Kafka's own. */
const resourceTypes = { topic: 2, broker: 4 } as const;
const missing = 'UNKNOWN_TOPIC_OR_PARTITION';
const autoCreate = 'auto.create.topics.enable';
const offsetsRetention = 'offsets.retention.minutes';
const minInSync = 'min.insync.replicas';
const uncleanElection = 'unclean.leader.election.enable';
const messageBytesMax = 'max.message.bytes';

/** Does not reject: a Kafka that does not answer is an answer. */
export async function inspectKafka(question: SinkQuestion): Promise<SinkInspection> {
  const { signal } = question;
  const client = clientFor(question);
  if (!(client instanceof Client)) return client;
  const admin = client.kafka.admin({ retry: client.retry });
  const cut = () => client.cut();
  signal?.addEventListener('abort', cut, { once: true });
  if (signal?.aborted) cut();
  try {
    return await new Inquiry(client, admin, question).run();
  } finally {
    signal?.removeEventListener('abort', cut);
    client.cut();
    admin.disconnect().catch(() => {}); // clears its timers; the sockets are gone already
  }
}

/** Secrets and certificates are read for it, and may be missing or wrong. */
function clientFor({ brokers, clientId, security, clock }: SinkQuestion): Client | Unreachable {
  const options = { brokers, clientId, security, clock, connectTimeoutMs } as const;
  try {
    return new Client({ ...options, createTopics: 'never' }, 'doctor');
  } catch (error) {
    const { code, message } = classify(error);
    return { code, message, connected: false };
  }
}

class Inquiry {
  readonly #client: Client;
  readonly #admin: Admin;
  readonly #question: SinkQuestion;
  readonly #endMs: number;

  constructor(client: Client, admin: Admin, question: SinkQuestion) {
    this.#client = client;
    this.#admin = admin;
    this.#question = question;
    this.#endMs = question.clock.monotonic() + question.deadlineMs;
  }

  async run(): Promise<SinkInspection> {
    const connected = await this.#part(this.#admin.connect());
    if (connected !== undefined) return { ...connected, connected: false };
    const cluster = await this.#part(anotherTime(() => this.#admin.describeCluster(), 8));
    // From here on the client uses the addresses that the brokers advertise.
    if ('code' in cluster) return { ...cluster, connected: true };
    const [brokers, topics] = await Promise.all([
      Promise.all(cluster.brokers.map((broker) => this.#broker(broker))),
      Promise.all(this.#question.topics.map((topic) => this.#topic(topic))),
    ]);
    return { brokers, topics: new Map(topics) };
  }

  async #broker(found: { nodeId: number; host: string; port: number }): Promise<BrokerFacts> {
    const { nodeId: id, host, port } = found;
    const versions = await this.#part(
      askVersions((onConnect) => this.#client.open({ host, port, onConnect })),
    );
    const isAway = 'code' in versions;
    const settings = isAway ? versions : await this.#part(this.#brokerSettings(String(id)));
    return { id, address: `${host}:${port}`, versions, settings };
  }

  async #topic(topic: string): Promise<readonly [string, TopicFacts | SinkProblem]> {
    const answer = await this.#part(
      anotherTime(() => this.#admin.fetchTopicMetadata({ topics: [topic] })),
    );
    if ('code' in answer) return [topic, answer];
    const partitions = answer.topics.find(({ name }) => name === topic)?.partitions ?? [];
    if (partitions.length === 0) return [topic, { code: missing, message: 'it has no partitions' }];
    const settings = await this.#part(this.#topicSettings(topic));
    const leaderless = partitions.filter(({ leader }) => leader < 0);
    const led = partitions.filter(({ leader }) => leader >= 0);
    const facts = {
      partitions: partitions.length,
      replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
      copies: distinct(led.map(({ replicas, isr }) => [replicas.length, isr.length])),
      leaderless: leaderless.map(({ partitionId }) => partitionId),
      settings,
    };
    return [topic, facts];
  }

  async #brokerSettings(name: string): Promise<BrokerSettings> {
    const values = await this.#settings(resourceTypes.broker, name, [autoCreate, offsetsRetention]);
    return {
      createsTopics: asBoolean(values.get(autoCreate)),
      offsetsRetentionMinutes: asNumber(values.get(offsetsRetention)),
    };
  }

  async #topicSettings(name: string): Promise<TopicSettings> {
    const names = [minInSync, uncleanElection, messageBytesMax];
    const values = await this.#settings(resourceTypes.topic, name, names);
    return {
      minInSync: asNumber(values.get(minInSync)),
      uncleanElection: asBoolean(values.get(uncleanElection)),
      messageBytesMax: asNumber(values.get(messageBytesMax)),
    };
  }

  async #settings(type: number, name: string, configNames: string[]): Promise<Map<string, string>> {
    const resources = [{ type, name, configNames }];
    const answer = await anotherTime(() =>
      this.#admin.describeConfigs({ resources, includeSynonyms: false }),
    );
    const entries = answer.resources[0]?.configEntries ?? [];
    return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
  }

  /** What came of it in the time that is left, or why nothing did. */
  async #part<T>(work: Promise<T>): Promise<T | SinkProblem> {
    const { clock, deadlineMs } = this.#question;
    try {
      const done = await within(clock, Math.max(0, this.#endMs - clock.monotonic()), work);
      if (done !== null) return done.value;
      return { code: 'DEADLINE', message: `no answer within ${deadlineMs} ms` };
    } catch (error) {
      const { code, message } = classify(error);
      return { code, message };
    }
  }
}

/** kafkajs asks any broker, and one that is away fails the question: the next is another one. */
async function anotherTime<T>(ask: () => Promise<T>, times = triesMax): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (tries === times || classify(error).kind !== 'outage') throw error;
    }
  }
}

/** A topic can have very many partitions, and few ways in which they are copied. */
function distinct(all: readonly (readonly [replicas: number, inSync: number])[]): Copies[] {
  const found = new Map(all.map((one) => [one.join(), one]));
  return [...found.values()].map(([replicas, inSync]) => ({ replicas, inSync }));
}

const asBoolean = (value: string | undefined) => (value === undefined ? null : value === 'true');
const asNumber = (value: string | undefined) => (value === undefined ? null : Number(value));
