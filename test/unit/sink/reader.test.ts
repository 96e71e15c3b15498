import kafkajs from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { isCoordinatorAway } from '../../../src/sink/kafkajs/reader.ts';

describe('a reader', () => {
  it('waits for the coordinator of a cluster’s first group, however it is told', () => {
    // Its types know no argument.
    const notFound = Reflect.construct(kafkajs.KafkaJSGroupCoordinatorNotFound, ['not found']);
    const loading = Object.assign(new Error('loading'), { code: 14 });
    for (const error of [notFound, loading, { ...loading, code: 15 }, { ...loading, code: 16 }]) {
      expect(isCoordinatorAway(error)).toBe(true);
      expect(isCoordinatorAway(new Error('later', { cause: error }))).toBe(true);
    }
  });

  it('does not wait where nothing gets better', () => {
    const denied = Object.assign(new Error('denied'), { code: 29 });
    expect(isCoordinatorAway(denied)).toBe(false);
    expect(isCoordinatorAway(new Error('broken'))).toBe(false);
  });
});
