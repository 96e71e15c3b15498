/** Faults around a piece of a test: what is taken away comes back, whatever the test does. */
import type { TestKafka } from './kafka.ts';
import type { TestRedis } from './redis.ts';

/** How {@link withKafkaDown} takes it away. */
export interface KafkaDownOptions {
  /**
   * `kill` as a crash (connections are reset), `stop` as an upgrade (it says goodbye), `pause` as a
   * machine that hangs (connections stay, nothing is answered). Default: `kill`.
   */
  readonly how?: 'kill' | 'stop' | 'pause';
}

/**
 * Runs `work` while Kafka is away. It is brought back afterwards, also when `work` has rejected or
 * has brought it back itself.
 * @returns what `work` has resolved with, once the broker acknowledges a produce again
 * @throws (rejects with) what `work` rejects with; TEST_TIMEOUT when Kafka does not come back; an
 *   AggregateError of both
 */
export async function withKafkaDown<T>(
  kafka: TestKafka,
  work: () => T | Promise<T>,
  { how = 'kill' }: KafkaDownOptions = {},
): Promise<T> {
  const takeAway = async () => {
    await kafka[how]();
    return work();
  };
  const bringBack = async () => {
    await kafka.container.bringBack();
    await kafka.probe();
  };
  const [done] = await Promise.allSettled([takeAway()]);
  const [back] = await Promise.allSettled([bringBack()]);
  if (done.status === 'fulfilled' && back.status === 'fulfilled') return done.value;
  const reasons = [done, back].flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  if (reasons.length === 1) throw reasons[0];
  throw new AggregateError(reasons, 'the work rejected, and Kafka did not come back');
}

/**
 * FLUSHALL, once, and then `work`. To flush in the middle of it, call `redis.flushAll()` there, or
 * call this inside of {@link withKafkaDown}, when events wait and their jobs are in Redis.
 * @returns what `work` has resolved with. Default of `work`: nothing is done
 * @throws (rejects with) what `work` rejects with; what Redis answers instead of OK
 */
export async function withRedisFlushed(redis: TestRedis): Promise<void>;
export async function withRedisFlushed<T>(redis: TestRedis, work: () => T | Promise<T>): Promise<T>;
export async function withRedisFlushed(
  redis: TestRedis,
  work: () => unknown = () => undefined,
): Promise<unknown> {
  await redis.flushAll();
  return work();
}
