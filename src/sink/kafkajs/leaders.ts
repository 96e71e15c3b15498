/** What the broker knows about one topic, and making it when it is missing. */
import { pause, within } from '../../core/clock.ts';
import { classify, isBrokersWord } from '../classify.ts';
import type { SendFailure, SendFailureKind, TopicLeaders } from '../driver.ts';
import { type Admin, Client, type KafkaJsOptions } from './client.ts';

const leaderPollMs = 100;
const closeMs = 1_000;

/** By topic: its leaders, or why it cannot take records. */
export type Answers = Map<string, TopicLeaders | SendFailure>;

/**
 * Asks about topics, and creates those that are missing when the options say so.
 * Every method throws what the client throws when the connection is in trouble.
 */
export class TopicInquiry {
  readonly #options: KafkaJsOptions;

  constructor(options: KafkaJsOptions) {
    this.#options = options;
  }

  /**
   * One request for all. kafkajs throws for all when one topic has an error, so that one is then
   * found by halves, side by side: hundreds of topics cost a few round trips.
   */
  async ask(admin: Admin, topics: readonly string[]): Promise<Answers> {
    const answer = await fetchLeaders(admin, topics);
    if (!('kind' in answer)) return answer;
    const [only, ...others] = topics;
    if (only !== undefined && others.length === 0) {
      return new Map([[only, this.#verdict(only, answer)]]);
    }
    const half = Math.ceil(topics.length / 2);
    const left = this.ask(admin, topics.slice(0, half));
    const right = this.ask(admin, topics.slice(half));
    const [first, second] = await Promise.all([left, right]);
    return new Map([...first, ...second]);
  }

  /**
   * Makes topics ready in their order, up to the first that cannot take records or until the time
   * is up: a batch ends there anyway, and hundreds of missing topics must not cost the events in
   * front of them their turn.
   */
  async prepare(admin: Admin, topics: readonly string[], endMs: number): Promise<Answers> {
    const ready: Answers = new Map();
    await this.#prepare({ admin, endMs, ready }, topics);
    return ready;
  }

  /** Returns whether to go on with what comes behind. */
  async #prepare(work: Preparation, topics: readonly string[]): Promise<boolean> {
    const { admin, endMs, ready } = work;
    if (ready.size > 0 && this.#isOver(endMs)) return false;
    const answers = await fetchLeaders(admin, topics);
    if (!('kind' in answers)) {
      for (const [topic, answer] of answers) ready.set(topic, answer);
      return true;
    }
    const [only, ...others] = topics;
    if (only !== undefined && others.length === 0) {
      const answer = await this.#createIfMissing(work, only, answers);
      ready.set(only, answer);
      return !('kind' in answer);
    }
    const half = Math.ceil(topics.length / 2);
    if (!(await this.#prepare(work, topics.slice(0, half)))) return false;
    return this.#prepare(work, topics.slice(half));
  }

  #isOver(endMs: number): boolean {
    return this.#options.clock.monotonic() + 2 * leaderPollMs > endMs;
  }

  /** What the broker's word about one topic means. */
  #verdict(topic: string, failure: SendFailure): TopicLeaders | SendFailure {
    if (!isMissing(failure)) return { ...failure, topic };
    if (this.#options.createTopics !== 'never') return { topic, partitions: 0, leaderless: [] };
    return { ...failure, kind: 'refused-topic', topic };
  }

  async #createIfMissing(
    { admin, endMs }: Preparation,
    topic: string,
    first: SendFailure,
  ): Promise<TopicLeaders | SendFailure> {
    if (!isMissing(first) || this.#options.createTopics === 'never') {
      return this.#verdict(topic, first);
    }
    const refusal = await this.#create(admin, topic);
    if (refusal !== null) return refusal;
    for (;;) {
      const answers = await fetchLeaders(admin, [topic]);
      if (!('kind' in answers)) return answers.get(topic) as TopicLeaders;
      // A topic that was just made has no leader for a moment.
      if (this.#isOver(endMs)) {
        return isMissing(answers)
          ? { ...answers, kind: 'refused-topic', topic }
          : { ...answers, topic };
      }
      await pause(this.#options.clock, leaderPollMs);
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
      return { ...failure, kind: passes.has(failure.kind) ? failure.kind : 'refused-topic', topic };
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

interface Preparation {
  readonly admin: Admin;
  readonly endMs: number;
  /** Filled as topics become ready. */
  readonly ready: Answers;
}

const isMissing = ({ code }: SendFailure) => code === 'UNKNOWN_TOPIC_OR_PARTITION';

/** An answer for each of them, or the refusal of one. Throws when the connection is in trouble. */
async function fetchLeaders(
  admin: Admin,
  names: readonly string[],
): Promise<Map<string, TopicLeaders> | SendFailure> {
  if (names.length === 0) return new Map();
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

/** Nothing is said about a topic by these: its creation is tried again as after an outage. */
const passes: ReadonlySet<SendFailureKind> = new Set(['outage', 'unknown', 'bug']);

/** What nobody knows is the answer of its topic when a broker has said it, as a code. */
function isConnectionTrouble({ kind, cause }: SendFailure): boolean {
  return passes.has(kind) && !(kind === 'bug' && isBrokersWord(cause));
}
