import { limits } from './limits.ts';

/** Kafka's own rule (org.apache.kafka.common.internals.Topic). */
export const topicName = new RegExp(`^(?!\\.{1,2}$)[a-zA-Z0-9._-]{1,${limits.topicLengthMax}}$`);

export const isTopicName = (text: string) => topicName.test(text);
