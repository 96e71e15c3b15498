/** Versions of Kafka and Redis that the tests run against, beside those of `npm test`. */

export interface ServiceImage {
  /** Folder of scripts/images. */
  readonly recipe: 'kafka' | 'redis' | 'valkey';
  /** Given to a recipe that builds more than one. */
  readonly version?: string;
  readonly official: string;
}

export interface Row {
  readonly name: string;
  readonly kafka: ServiceImage;
  readonly redis: ServiceImage;
}

const kafka = (version: string): ServiceImage => {
  return { recipe: 'kafka', version, official: `apache/kafka:${version}` };
};

/** The oldest of each that is supported, and the first Kafka 4 beside the other Redis. */
export const rows: readonly Row[] = [
  {
    name: 'kafka-3.9-redis-7',
    kafka: kafka('3.9.1'),
    redis: { recipe: 'redis', official: 'redis:7.4' },
  },
  {
    name: 'kafka-4.0-valkey-8',
    kafka: kafka('4.0.2'),
    redis: { recipe: 'valkey', official: 'valkey/valkey:8' },
  },
];
