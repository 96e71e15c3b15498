/**
 * The stage: everything that runs during a demo, and the handles by which the story moves it.
 * Whatever is started is put on the list of what must be ended before it is started, so that
 * Ctrl-C at any moment leaves nothing behind.
 */
import { join } from 'node:path';
import { freePorts } from '../../src/testing/ports.ts';
import { Child, cliFile, Supervisor } from './child.ts';
import { type ContainerSpec, killContainer, removeContainer, startContainer } from './docker.ts';
import { Endings } from './endings.ts';
import type {
  ConsumerMessage,
  ConsumerTask,
  ProbeMessage,
  ProbeTask,
  PublisherMessage,
  PublisherTask,
  TailMessage,
  TailTask,
} from './messages.ts';
import {
  askRedis,
  chooseImages,
  kafkaSpec,
  redisReady,
  redisSpec,
  startService,
} from './services.ts';
import { runCli, StatusWatch } from './status.ts';
import { Waits } from './waits.ts';

export const topic = 'flights';
const partitions = 6;
const probeTopic = 'demo-probe';
const statusEveryMs = 1_000;
const kafkaReadyMaxSeconds = 90;
const redisReadyMaxMs = 30_000;

export interface StageOptions {
  /** Folder of this run: outbox, ledger, logs. */
  readonly folder: string;
  readonly events: number;
  readonly eventsPerSecond: number;
  /** Aborts every wait. */
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

type Published = Extract<PublisherMessage, { type: 'done' }>;

interface Running {
  readonly broker: string;
  readonly redisPort: number;
  readonly kafka: string;
  readonly redis: string;
  readonly relay: Supervisor;
  readonly status: StatusWatch;
}

export class Stage {
  readonly waits: Waits;
  readonly #options: StageOptions;
  readonly #endings = new Endings();
  #running: Running | null = null;
  #publishing: { readonly startedMs: number; readonly done: Promise<Published> } | null = null;
  #accepted = 0;
  #records = 0;
  #now = 'starting Kafka and Redis';

  constructor(options: StageOptions) {
    this.#options = options;
    this.waits = new Waits(options.signal);
  }

  get dbFile(): string {
    return join(this.#options.folder, 'outbox.db');
  }

  get ledgerFile(): string {
    return join(this.#options.folder, 'ledger.jsonl');
  }

  get consumedFile(): string {
    return join(this.#options.folder, 'consumed.jsonl');
  }

  get current(): string {
    return this.#now;
  }

  get running(): Running {
    if (this.#running === null) throw new Error('the stage is not set up yet');
    return this.#running;
  }

  get statusWatch(): StatusWatch | null {
    return this.#running?.status ?? null;
  }

  get published(): Promise<Published> {
    if (this.#publishing === null) throw new Error('nothing is being published yet');
    return this.waits.watched(this.#publishing.done);
  }

  accepted(): number {
    return this.#accepted;
  }

  /** Records in the topic as the tail last saw it. */
  records(): number {
    return this.#records;
  }

  publishingSeconds(): number {
    return this.#publishing === null ? 0 : (performance.now() - this.#publishing.startedMs) / 1_000;
  }

  async pending(): Promise<number> {
    return (await this.running.status.ask()).pending;
  }

  tell(text: string): void {
    this.#options.tell(text);
  }

  now(text: string): void {
    this.#now = text;
  }

  /** Starts Kafka, Redis, the tail and the relay. */
  async setUp(): Promise<void> {
    const images = chooseImages();
    const [kafkaPort, redisPort] = (await freePorts(2)) as [number, number];
    const broker = `127.0.0.1:${kafkaPort}`;
    const prefix = `outbox-relay-demo-${process.pid}`;
    const kafka = kafkaSpec(`${prefix}-kafka`, images.kafka, kafkaPort);
    const redis = redisSpec(`${prefix}-redis`, images.redis, redisPort);
    await this.waits.watched(Promise.all([kafka, redis].map((spec) => this.#startContainer(spec))));
    const task: TailTask = { broker, topic, partitions, probeTopic };
    const tail = this.#child<TailMessage>('tail', task);
    this.waits.failWith(neverEnds(tail));
    tail.onMessage((message) => {
      if (message.type === 'records') this.#records = message.count;
    });
    await this.waits.watched(redisReady(redis, redisReadyMaxMs));
    if ((await this.waits.before(kafkaReadyMaxSeconds, tail.next('ready'))) === null) {
      throw new Error(`Kafka was not ready within ${kafkaReadyMaxSeconds} s`);
    }
    this.tell(`Kafka is up on ${broker}, Redis on 127.0.0.1:${redisPort}`);
    await this.waits.watched(runCli(['migrate', '--db', this.dbFile]));
    const relay = this.#startRelay(broker, redisPort);
    const status = new StatusWatch(this.dbFile, statusEveryMs);
    this.#endings.add('status', () => status.stop());
    this.#running = { broker, redisPort, kafka: kafka.name, redis: redis.name, relay, status };
  }

  #startContainer(spec: ContainerSpec): Promise<void> {
    const started = startService(spec);
    // A container that docker is still making cannot be removed yet: it would appear afterwards.
    this.#endings.add(spec.name, async () => {
      await started.catch(() => {});
      await removeContainer(spec.name);
    });
    return started;
  }

  #startRelay(broker: string, redisPort: number): Supervisor {
    const redisUrl = `redis://127.0.0.1:${redisPort}`;
    const where = ['--db', this.dbFile, '--brokers', broker, '--redis', redisUrl];
    const command = [cliFile, 'run', ...where, '--retries', '3', '--delay', '1000'];
    const relay = new Supervisor(command, join(this.#options.folder, 'relay.log'));
    this.#endings.add('relay', () => relay.stop());
    this.waits.failWith(relay.failed);
    return relay;
  }

  startPublishing(): void {
    const { events, eventsPerSecond } = this.#options;
    const files = { dbFile: this.dbFile, ledgerFile: this.ledgerFile };
    const task: PublisherTask = { ...files, topic, events, eventsPerSecond };
    const publisher = this.#child<PublisherMessage>('publisher', task);
    publisher.onMessage(({ accepted }) => {
      this.#accepted = accepted;
    });
    const done = publisher.next('done');
    // Awaited by the story much later; it must not count as unhandled until then.
    done.catch(() => {});
    this.waits.failWith(failsOnly(publisher));
    this.#publishing = { startedMs: performance.now(), done };
    this.now('nothing yet: flights are published at a steady pace');
    this.tell('publishing begins');
  }

  killBroker(): Promise<void> {
    return killContainer(this.running.kafka);
  }

  startBroker(): Promise<void> {
    return startContainer(this.running.kafka);
  }

  async flushRedis(): Promise<void> {
    await askRedis(this.running.redisPort, 'FLUSHALL');
  }

  killRelay(): Promise<void> {
    return this.running.relay.kill();
  }

  startProbe(): Child<ProbeMessage> {
    const task: ProbeTask = { broker: this.running.broker, probeTopic };
    return this.#child<ProbeMessage>('probe', task);
  }

  /** Lets the independent consumer read the topic into `consumedFile`. */
  async consume(): Promise<void> {
    const { broker } = this.running;
    const task: ConsumerTask = { broker, topic, consumedFile: this.consumedFile };
    await this.waits.watched(this.#child<ConsumerMessage>('consumer', task).next('done'));
  }

  /** Ends everything, the last started first. Returns what could not be ended, in words. */
  tearDown(): Promise<string[]> {
    this.waits.close();
    return this.#endings.endAll();
  }

  /** Lets containers and relay run on; ends only the demo's own witnesses. */
  release(): Promise<string[]> {
    const { kafka, redis, relay } = this.running;
    this.#endings.spare(new Set([kafka, redis, 'relay']));
    relay.release();
    return this.tearDown();
  }

  #child<Message extends { readonly type: string }>(
    name: 'publisher' | 'tail' | 'probe' | 'consumer',
    task: object,
  ): Child<Message> {
    const child = new Child<Message>(name, task, join(this.#options.folder, `${name}.log`));
    this.#endings.add(name, () => child.stop());
    return child;
  }
}

/** Rejects whenever the process ends by itself. */
async function neverEnds(child: Child<TailMessage>): Promise<never> {
  await child.ended;
  throw new Error(`the ${child.name} ended`);
}

/** Rejects when the process ends with an error, and never resolves. */
async function failsOnly(child: Child<PublisherMessage>): Promise<never> {
  await child.ended;
  return new Promise<never>(() => {});
}
