// Made by `npm run docs` from the schema in options.ts; a test compares them.
import type { Mechanism } from '../sink/security.ts';

/** Options as a user gives them; all but `db` and `brokers` may be left out. */
export interface RelayOptions {
  /**
   * The outbox: a SQLite file on a local disk. Default: none, must be given.
   */
  db: string;
  /**
   * Kafka’s bootstrap servers, `host:port`; in the environment and as a flag with commas. 1 to
   * 100 items, default: none, must be given.
   */
  brokers: string[];
  /**
   * Kafka client id; parts of the relay add a suffix. 1 to 200 characters, default:
   * outbox-relay.
   */
  clientId?: string | undefined;
  /**
   * Redis for the BullMQ jobs, `redis://` or `rediss://`. Default: none: the relay wakes
   * itself with timers.
   */
  redis?: string | null | undefined;
  /**
   * Prefix of all keys in Redis; braces keep them in one slot of a cluster. No effect without
   * `redis`. 1 to 200 characters, default: {outbox-relay}.
   */
  redisPrefix?: string | undefined;
  /**
   * `exactly-once` sends in transactions, for consumers that read what is committed. Each
   * batch is a transaction, which costs rate; copies of dead events may repeat.
   * `at-least-once`, `exactly-once`, default: at-least-once.
   */
  delivery?: 'at-least-once' | 'exactly-once' | undefined;
  /** Options of `retry`. */
  retry?: {
    /**
     * Tries after the first one: of an event that Kafka refuses, and of a job’s round. An
     * outage costs an event none of them; a round that is used up drops nothing. 0 to
     * 1,000,000, default: 60.
     */
    retries?: number | undefined;
    /**
     * Wait before a refused event, or a failed drain, is tried again. When Kafka answers again
     * nothing waits for it. 0 to 86,400,000, ms, default: 5000.
     */
    delayMs?: number | undefined;
    /**
     * Whether the delay stays or doubles with each attempt. `fixed`, `exponential`, default:
     * fixed.
     */
    backoff?: 'fixed' | 'exponential' | undefined;
    /**
     * Upper bound of an exponential delay. No effect with `backoff: fixed`. 0 to 86,400,000,
     * ms, default: 300000.
     */
    maxDelayMs?: number | undefined;
    /**
     * Share of the delay that is drawn at random and taken off. 0 to 1, default: 0.
     */
    jitter?: number | undefined;
  } | undefined;
  /** Options of `deadLetter`. */
  deadLetter?: {
    /**
     * What the others of a dead event’s key do: `block` waits for an operator, `continue` goes
     * on without it. `block`, `continue`, default: block.
     */
    order?: 'block' | 'continue' | undefined;
    /**
     * Topic that gets a copy of each dead event, with the cause in its headers. The event
     * itself stays in the outbox, whatever becomes of the copy. Default: none.
     */
    topic?: string | null | undefined;
  } | undefined;
  /** Options of `bounds`. */
  bounds?: {
    /**
     * Events that may wait, held ones too; more are refused with `OUTBOX_FULL`. No effect on
     * `run`: it is for what writes, e.g. `publish` and `openOutbox`. 1 to
     * 9,007,199,254,740,991, default: none.
     */
    events?: number | undefined;
    /**
     * Bytes of the file in use, with its log of changes, beyond which is refused. No effect on
     * `run`: it is for what writes, e.g. `publish` and `openOutbox`. 1 to
     * 9,007,199,254,740,991, bytes, default: none.
     */
    bytes?: number | undefined;
    /**
     * Bytes of the disk that must stay free, besides what the log has yet to copy. No effect
     * on `run`: it is for what writes, e.g. `publish` and `openOutbox`. 0 to
     * 9,007,199,254,740,991, bytes, default: 16777216.
     */
    freeDiskBytes?: number | undefined;
  } | undefined;
  /** Options of `governor`. */
  governor?: {
    /**
     * Events that the relay sends in a second, at most, over all lanes. 1 to
     * 9,007,199,254,740,991, default: none.
     */
    eventsPerSecond?: number | undefined;
    /**
     * Bytes of key, value and headers that it sends in a second, at most. 1 to
     * 9,007,199,254,740,991, bytes, default: none.
     */
    bytesPerSecond?: number | undefined;
  } | undefined;
  /** Options of `kafka`. */
  kafka?: {
    /**
     * TLS to the brokers. `true` verifies them by the certificates of Node.js; any option of
     * `kafka.ssl` switches it on as well. `true`, `false` or the options that follow, by name,
     * default: false.
     */
    ssl?: boolean | {
      /**
       * Certificates to trust, PEM. Read again for each connection. 1 to 4,096 characters,
       * default: those of Node.js.
       */
      caFile?: string | undefined;
      /**
       * Client certificate and its chain, PEM: mutual TLS. Read again for each connection.
       * Only with `keyFile`. 1 to 4,096 characters, default: none.
       */
      certFile?: string | undefined;
      /**
       * Key of the client certificate, PEM, encrypted or not. Read again for each connection.
       * Only with `certFile`. 1 to 4,096 characters, default: none.
       */
      keyFile?: string | undefined;
      /**
       * Password of an encrypted `keyFile`. As a flag it is seen by every user of the host:
       * use the file or the environment. 1 to 4,096 characters, default: none.
       */
      keyPassword?: string | undefined;
      /**
       * File with that password, instead of `keyPassword`. Read again for each connection. 1
       * to 4,096 characters, default: none.
       */
      keyPasswordFile?: string | undefined;
      /**
       * Whether the broker’s certificate must have the name it was reached by. The
       * certificate’s signatures and dates are verified in any case. `true`, `false`, default:
       * true.
       */
      checkHostname?: boolean | undefined;
    } | undefined;
    /** Options of `kafka.sasl`. */
    sasl?: {
      /**
       * How to log in; upper or lower case. `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`,
       * `OAUTHBEARER`, `GSSAPI`, default: none, must be given with any other of `kafka.sasl`.
       */
      mechanism?: Mechanism | Lowercase<Mechanism> | undefined;
      /**
       * User. Only with PLAIN and SCRAM. 1 to 4,096 characters, default: none.
       */
      username?: string | undefined;
      /**
       * Password. Only with PLAIN and SCRAM. As a flag it is seen by every user of the host:
       * use the file or the environment. 1 to 4,096 characters, default: none.
       */
      password?: string | undefined;
      /**
       * File with the password, instead of `password`. Read again for each connection. Only
       * with PLAIN and SCRAM. 1 to 4,096 characters, default: none.
       */
      passwordFile?: string | undefined;
      /**
       * OIDC token endpoint, asked for client credentials at each login. Only with
       * OAUTHBEARER. With `http://` the secret is sent in clear. Default: none.
       */
      tokenEndpoint?: string | undefined;
      /**
       * Client of the token endpoint. Only with `tokenEndpoint`. 1 to 4,096 characters,
       * default: none.
       */
      clientId?: string | undefined;
      /**
       * Its secret. Only with `tokenEndpoint`. As a flag it is seen by every user of the host:
       * use the file or the environment. 1 to 4,096 characters, default: none.
       */
      clientSecret?: string | undefined;
      /**
       * File with that secret, instead of `clientSecret`. Read again at each login. Only with
       * `tokenEndpoint`. 1 to 4,096 characters, default: none.
       */
      clientSecretFile?: string | undefined;
      /**
       * Scope to ask for. Only with `tokenEndpoint`. 1 to 4,096 characters, default: none.
       */
      scope?: string | undefined;
      /**
       * File with a token that something else keeps fresh. Read again at each login. Only with
       * OAUTHBEARER, instead of `tokenEndpoint`. 1 to 4,096 characters, default: none.
       */
      tokenFile?: string | undefined;
      /**
       * Certificates to trust at the token endpoint, PEM. Read again at each login. Only with
       * `tokenEndpoint`. 1 to 4,096 characters, default: those of Node.js.
       */
      tokenCaFile?: string | undefined;
      /**
       * First part of the broker’s principal, `service/host@REALM`. Only with GSSAPI. 1 to
       * 4,096 characters, default: kafka.
       */
      service?: string | undefined;
      /**
       * The relay’s principal. Only with GSSAPI. 1 to 4,096 characters, default: the
       * credential cache’s, or the first of the keytab.
       */
      principal?: string | undefined;
      /**
       * Keytab to log in with. Only with GSSAPI. 1 to 4,096 characters, default: what the
       * environment says (`KRB5_CLIENT_KTNAME`).
       */
      keytab?: string | undefined;
      /**
       * Credential cache with a ticket, instead of `keytab`. Only with GSSAPI. 1 to 4,096
       * characters, default: what the environment says (`KRB5CCNAME`).
       */
      credentialCache?: string | undefined;
    } | undefined;
    /**
     * How records are compressed, a batch per partition at a time. `none`, `gzip`, `snappy`,
     * `lz4`, `zstd`, default: none.
     */
    compression?: 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd' | undefined;
  } | undefined;
  /**
   * A missing topic: `broker` lets the broker create it if it is set to, `never` sets its
   * events aside until it is there, `{"partitions": 6, "replicationFactor": 3}` creates it so.
   * `broker`, `never` or an object, default: broker.
   */
  createTopics?: 'broker' | 'never' | { partitions: number; replicationFactor: number } | undefined;
  /**
   * Events in one send, at most. 1 to 100,000, default: 1000.
   */
  batchEvents?: number | undefined;
  /**
   * Bytes of key, value and headers in one send, at most; one event always goes. 1,024 to
   * 1,073,741,824, bytes, default: 4194304.
   */
  batchBytes?: number | undefined;
  /**
   * The same for one partition; keep it below the topic’s max.message.bytes. 1,024 to
   * 1,073,741,824, bytes, default: 800000.
   */
  batchPartitionBytes?: number | undefined;
  /**
   * Largest event that is accepted: key, value, headers and what Kafka adds. Checked when an
   * event is written; `doctor` compares topics with it. 1 to 100,000,000, bytes, default:
   * 1000000.
   */
  recordBytesMax?: number | undefined;
  /**
   * How long one send may take before its outcome is unknown. 100 to 600,000, ms, default:
   * 20000.
   */
  sendTimeoutMs?: number | undefined;
  /**
   * A relay that stood still for this long loses its lanes to another one. Must exceed
   * `sendTimeoutMs` by a quarter. A relay that died loses them at once. 500 to 3,600,000, ms,
   * default: 30000.
   */
  leaseMs?: number | undefined;
  /**
   * How often the file is looked at for commits. 1 to 60,000, ms, default: 5.
   */
  pollMs?: number | undefined;
  /**
   * How long one job drains its lane before it queues itself again. 10 to 600,000, ms,
   * default: 5000.
   */
  drainSliceMs?: number | undefined;
  /**
   * How long delivered events stay in the file. 0 to 31,622,400,000, ms, default: 3600000.
   */
  retentionMs?: number | undefined;
  /**
   * How long a stop waits for running drains. 0 to 3,600,000, ms, default: 10000.
   */
  stopDeadlineMs?: number | undefined;
  /**
   * Adds `outbox-event-id`, `outbox-seq` and `outbox-source` to every record. `true`, `false`,
   * default: true.
   */
  headers?: boolean | undefined;
  /**
   * Text of the `outbox-source` header. No effect with `headers: false`. 1 to 1,000
   * characters, default: the outbox’s id.
   */
  source?: string | null | undefined;
  /**
   * Lanes of a new file. `migrate` gives them to a drained one as well. 1 to 256, default: 8,
   * or the file’s.
   */
  lanes?: number | undefined;
  /**
   * `auto` makes and updates the tables, `check` refuses a file without them. `auto`, `check`,
   * default: auto.
   */
  migrate?: 'auto' | 'check' | undefined;
  /**
   * What `run` logs. No effect on the library, which logs to the `logger` it is given.
   * `silent`, `error`, `warn`, `info`, `debug`, default: info.
   */
  logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug' | undefined;
}
