/** What the broker knows about one topic, and making it when it is missing. */
import { within } from '../../core/clock.ts';
import { classify } from '../classify.ts';
import type { SendFailure, TopicLeaders } from '../driver.ts';
import { type Admin, Client, type KafkaJsOptions } from './client.ts';

const leaderPollMs = 100;
const closeMs = 1_000;

/**
 * Asks about topics; creates one that is missing when the options say so.
 * @throws what the client throws when the connection is in trouble
 */
export class TopicInquiry {
  readonly #options: KafkaJsOptions;

  constructor(options: KafkaJsOptions) {
    this.#options = options;
  }

  /**
   * One request for all. kafkajs throws for all when one topic has an error, so that one is then
   * found by halves: a batch over hundreds of topics costs a few requests, not hundreds.
   */
  async askAll(admin: Admin, topics: readonly string[], endMs: number): Promise<Answers> {
    if (topics.length === 0) return new Map();
    const answer = await fetchLeaders(admin, topics);
    if (!('kind' in answer)) return answer;
    const [only, ...others] = topics;
    if (only !== undefined && others.length === 0) {
      return new Map([[only, await this.#ask(admin, only, endMs)]]);
    }
    const half = Math.ceil(topics.length / 2);
    const left = await this.askAll(admin, topics.slice(0, half), endMs);
    const right = await this.askAll(admin, topics.slice(half), endMs);
    return new Map([...left, ...right]);
  }

  async #ask(admin: Admin, topic: string, endMs: number): Promise<TopicLeaders | SendFailure> {
    const { createTopics, clock } = this.#options;
    let created = false;
    for (;;) {
      const answers = await fetchLeaders(admin, [topic]);
      if (!('kind' in answers)) return answers.get(topic) as TopicLeaders;
      const answer = answers;
      const isMissing = answer.code === 'UNKNOWN_TOPIC_OR_PARTITION';
      if (isMissing && createTopics === 'never') return { ...answer, kind: 'refused-topic', topic };
      if (isMissing && !created) {
        const refusal = await this.#create(admin, topic);
        if (refusal !== null) return refusal;
        created = true;
      }
      // A topic that was just made has no leader for a moment.
      if (!created || clock.monotonic() + 2 * leaderPollMs > endMs) {
        return isMissing ? { ...answer, kind: 'refused-topic', topic } : { ...answer, topic };
      }
      await new Promise<void>((resolve) => clock.after(leaderPollMs, resolve));
    }
  }

  async #create(admin: Admin, topic: string): Promise<SendFailure | null> {
    const { createTopics, onWarning } = this.#options;
    try {
      if (typeof createTopics === 'object') {
        const { partitions: numPartitions, replicationFactor } = createTopics;
        const topics = [{ topic, numPartitions, replicationFactor }];
        await admin.createTopics({ topics, waitForLeaders: false });
      } else {
        await this.#touch(topic);
      }
    } catch (error) {
      const failure = classify(error);
      if (failure.code === 'LEADER_NOT_AVAILABLE') return null;
      const kind = isConnectionTrouble(failure) ? failure.kind : 'refused-topic';
      return { ...failure, kind, topic };
    }
    onWarning?.('TOPIC_CREATED', `topic ${topic} did not exist and was created`, null);
    return null;
  }

  /** A metadata request that lets the broker create the topic; writes nothing. */
  async #touch(topic: string): Promise<void> {
    const client = new Client(this.#options, 'create');
    const retry = { ...client.retry, retries: 1 };
    const producer = client.kafka.producer({ allowAutoTopicCreation: true, retry });
    try {
      await producer.connect();
      await producer.send({ topic, messages: [] });
    } finally {
      await within(this.#options.clock, closeMs, producer.disconnect());
      client.cut();
    }
  }
}

type Answers = Map<string, TopicLeaders | SendFailure>;

/** An answer for each of them, or the refusal of one. Throws when the connection is in trouble. */
async function fetchLeaders(
  admin: Admin,
  names: readonly string[],
): Promise<Map<string, TopicLeaders> | SendFailure> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [...names] });
    const found = new Map(topics.map(({ name, partitions }) => [name, partitions]));
    return new Map(names.map((topic) => [topic, leadersOf(topic, found.get(topic) ?? [])]));
  } catch (error) {
    const failure = classify(error);
    if (isConnectionTrouble(failure)) throw error;
    return failure;
  }
}

function leadersOf(
  topic: string,
  partitions: readonly { readonly partitionId: number; readonly leader: number }[],
): TopicLeaders {
  const leaderless = partitions.filter(({ leader }) => leader < 0);
  return {
    topic,
    partitions: partitions.length,
    leaderless: leaderless.map(({ partitionId }) => partitionId),
  };
}

function isConnectionTrouble({ kind }: SendFailure): boolean {
  return kind === 'outage' || kind === 'unknown' || kind === 'bug';
}
