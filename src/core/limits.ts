/**
 * Every limit in one place, with its unit last in the name. Options override those that a user
 * may change (docs/configuration.md); the rest are fixed.
 */
export const limits = Object.freeze({
  /** Lanes of a new file. Fixed per file afterwards. */
  lanesDefault: 8,
  lanesMax: 256,
  /** Kafka's own bound on a topic name (org.apache.kafka.common.internals.Topic). */
  topicLengthMax: 249,
  headersMax: 128,
  headerNameBytesMax: 1_024,
  /** Kafka's default message.max.bytes is 1,048,588; the rest is room for the batch header. */
  recordBytesMaxDefault: 1_000_000,
  recordBytesMaxBound: 100_000_000,
  /** What Kafka puts before the records of a batch; max.message.bytes counts it. */
  batchHeaderBytes: 61,
  dedupeKeyLengthMax: 512,
  /** A dedupe key answers "duplicate" for this long unless the event says otherwise. */
  dedupeTtlMsDefault: 7 * 24 * 60 * 60 * 1_000,
  /** Rasa's KafkaEventBroker's own: 60 retries, 5 s apart. */
  retriesDefault: 60,
  delayMsDefault: 5_000,
  retriesMax: 1_000_000,
  delayMsMax: 24 * 60 * 60 * 1_000,
  maxDelayMsDefault: 5 * 60 * 1_000,
  batchEventsDefault: 1_000,
  batchBytesDefault: 4 * 1_024 * 1_024,
  /** kafkajs puts a partition's records of one send in one record batch; see batchBytes. */
  batchPartitionBytesDefault: 800_000,
  sendTimeoutMsDefault: 20_000,
  leaseMsDefault: 30_000,
  /** A lease per longest send, at least: renewals and clocks have their own delays. */
  leasePerSendMin: 1.25,
  pollMsDefault: 5,
  drainSliceMsDefault: 5_000,
  retentionMsDefault: 60 * 60 * 1_000,
  pruneRowsPerCommit: 2_000,
  /** Own connections wait this long inside SQLite; longer waits happen outside, asynchronously. */
  busyTimeoutMs: 5,
  /**
   * A synchronous enqueue on a handle of ours can only wait inside SQLite. With 5 ms, 7 % of the
   * writes of three busy processes failed; with this none does, and a stuck writer is still told.
   */
  enqueueBusyTimeoutMs: 2_000,
  /** How long a write of ours waits for the write lock before it gives up with OUTBOX_BUSY. */
  writeWaitMsDefault: 30_000,
  /** An operator's act may wait inside SQLite: nothing else is done by its process. */
  operatorBusyTimeoutMs: 10_000,
  /** Events of one act, or of one page of a list, unless asked otherwise. */
  operatorEventsDefault: 1_000,
  operatorEventsMax: 1_000_000,
  /** Before a stop is asked again with one event, at most, and what waits for it likewise. */
  stopDelayMsMax: 30_000,
  /** Held events of a kind are counted so far: a status takes the same time at any backlog. */
  heldCountMax: 10_000,
  /** Publishers that wait for one shared commit are taken in groups of at most this many. */
  publishGroupMax: 1_000,
  /** And of at most this many bytes: a commit blocks the event loop while it writes them. */
  publishGroupBytesMax: 8 * 1_024 * 1_024,
  stopDeadlineMsDefault: 10_000,
  /** Together below 10 s when everything is away: Redis and Kafka are asked side by side. */
  doctorKafkaMs: 8_000,
  doctorRedisMs: 3_000,
  /** The doctor waits inside SQLite, and so blocks the event loop, no longer than this. */
  doctorBusyTimeoutMs: 100,
  /** Pending events that the doctor looks at for their topics: a look, not a count. */
  doctorEventsMax: 10_000,
  /** Topics that the doctor asks Kafka about: one small question each. */
  doctorTopicsMax: 100,
  /** At 3,000 events/s of 512 B an outage fills a gigabyte in some eight minutes. */
  diskFreeBytesLow: 1_024 ** 3,
  /** Below it the log of a few large commits and the copy that a checkpoint makes do not fit. */
  diskFreeBytesMin: 64 * 1_024 ** 2,
  /** Of the log of changes, when it begins anew. */
  walKeptBytes: 8 * 1_024 ** 2,
  /** Of the log of changes, while a reader keeps it from beginning anew: 64 usual ones. */
  walBytesLarge: 256 * 1_024 ** 2,
  /** So much of the disk is left to the relay and to others: events are refused before. */
  freeDiskBytesDefault: 16 * 1_024 ** 2,
  /** Unused pages worth a VACUUM; less is used again within minutes. */
  freePagesBytesMax: 64 * 1_024 ** 2,
  /** Kafka’s own default since 2.0, seven days: a long weekend must not cost a consumer’s place. */
  offsetsRetentionMinutesMin: 7 * 24 * 60,
});
