/**
 * The one importer of kafkajs: a client whose retries are few, short and explicit (its defaults
 * change with NODE_ENV), which logs nothing, and whose sockets can be cut. Each new one reads
 * certificates and secrets anew.
 *
 * A request that timed out leaves its socket open (tulios/kafkajs#1783), and `disconnect` waits
 * for pending requests; cutting the sockets ends both.
 */
import { connect, type Socket } from 'node:net';
import kafkajs, {
  type Admin,
  type CompressionTypes,
  type Consumer,
  Kafka,
  type KafkaConfig,
  logLevel,
  type Message,
  type Producer,
} from 'kafkajs';
import type { Clock } from '../../core/clock.ts';
import type { BrokerSecurity, Compression } from '../security.ts';
import { createTlsConnector } from '../tls.ts';
import { codecNumbers, codecs } from './compression.ts';
import { MetadataAnswers } from './leaderless.ts';
import { saslOf } from './login.ts';
import { askForNoTopics } from './no-topics.ts';

export type { Admin, Consumer, Message, Producer };

export type CreateTopics =
  | 'broker'
  | 'never'
  | { readonly partitions: number; readonly replicationFactor: number };

export interface KafkaJsOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** What to do about a missing topic; `broker` leaves it to auto.create.topics.enable. */
  readonly createTopics: CreateTopics;
  readonly security: BrokerSecurity;
  /** Of the records sent. Default: none. */
  readonly compression?: Compression;
  readonly clock: Clock;
  readonly connectTimeoutMs?: number;
  readonly onWarning?: (code: string, message: string, cause: unknown) => void;
}

/** With TLS, for the handshake too. */
const connectTimeoutMsDefault = 3_000;
/**
 * A login is renewed this long before the broker ends its session (KIP-368). The 10 s of kafkajs
 * would renew a session of 10 s at each request, which brokers refuse within a second.
 */
const reauthenticationThresholdMs = 3_000;

type KafkaJsLogin = NonNullable<KafkaConfig['sasl']>;

interface Address {
  readonly host: string;
  readonly port: number;
  readonly onConnect: () => void;
}

/** One client whose sockets can be cut at any moment. */
export class Client {
  readonly kafka: Kafka;
  readonly retry: { initialRetryTime: number; maxRetryTime: number; retries: number };
  readonly #sockets = new Set<Socket>();
  readonly #connectTls: ReturnType<typeof createTlsConnector> | null;
  #cut = false;
  #connectionsLost = 0;

  /** @throws SECRET_UNREADABLE, TLS_FILE_INVALID, MECHANISM_UNAVAILABLE */
  constructor(options: KafkaJsOptions, label: string) {
    const retries = Math.max(1, options.brokers.length);
    this.retry = { initialRetryTime: 50, maxRetryTime: 250, retries };
    const connectionTimeout = options.connectTimeoutMs ?? connectTimeoutMsDefault;
    const { tls, login } = options.security;
    this.#connectTls = tls === null ? null : createTlsConnector(tls);
    const sasl = login === null ? {} : { sasl: saslOf(login, options.clock) as KafkaJsLogin };
    this.kafka = new Kafka({
      brokers: [...options.brokers],
      clientId: `${options.clientId}-${label}`,
      connectionTimeout,
      requestTimeout: 30_000,
      retry: this.retry,
      logLevel: logLevel.NOTHING,
      reauthenticationThreshold: reauthenticationThresholdMs,
      ...sasl,
      socketFactory: (address) => this.open(address),
    });
  }

  /** A socket as the client's own are, ended by `cut` too. */
  open({ host, port, onConnect }: Address): Socket {
    // A retry of the client after the cut must not come back to life.
    if (this.#cut) throw new Error('the connection was given up');
    const socket =
      this.#connectTls?.({ host, port }, onConnect) ?? connect({ host, port }, onConnect);
    socket.setKeepAlive(true, 60_000);
    socket.setNoDelay(true);
    mendMetadata(socket);
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#connectionsLost += 1;
    });
    return socket;
  }

  /** Connections that have ended, by whomever: the next request there makes another one. */
  get connectionsLost(): number {
    return this.#connectionsLost;
  }

  /** Ends every connection now; what waits for an answer rejects. */
  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy(new Error('the connection was given up'));
  }
}

/** Metadata requests and their answers, as kafkajs should write and read them. */
function mendMetadata(socket: Socket): void {
  const answers = new MetadataAnswers();
  const write = socket.write.bind(socket) as (...given: unknown[]) => boolean;
  socket.write = (...given: unknown[]) => {
    askForNoTopics(given[0]);
    answers.sent(given[0]);
    return write(...given);
  };
  const on = socket.on.bind(socket) as (...given: unknown[]) => Socket;
  const whole = (listener: unknown) => (chunk: Buffer) => {
    const complete = answers.received(chunk);
    if (complete !== null) (listener as (bytes: Buffer) => void)(complete);
  };
  socket.on = (name: string, listener: unknown) => {
    return on(name, name === 'data' ? whole(listener) : listener);
  };
}

/** What kafkajs calls a compression; gives it the codec when it has none. */
export function compressionOf(compression: Compression): CompressionTypes {
  const number = codecNumbers[compression];
  const codec = codecs[compression];
  // node does not find this name among those of a CommonJS module, so the whole is imported.
  const registry: Record<number, () => unknown> = kafkajs.CompressionCodecs;
  if (codec !== undefined) registry[number] = () => codec;
  return number;
}
