/**
 * A plain kafkajs client for the demo's witnesses. It shares no code with the relay: what they see
 * is worth something only when it does not pass through what they watch.
 */
import { Kafka, logLevel } from 'kafkajs';

/** Short timeouts and no retries inside: the caller tries again with a new client. */
export function impatientClient(broker: string, clientId: string): Kafka {
  return new Kafka({
    brokers: [broker],
    clientId,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 500,
    requestTimeout: 2_000,
    retry: { retries: 0 },
  });
}

/** kafkajs's own patience, for reading at leisure. */
export function patientClient(broker: string, clientId: string): Kafka {
  return new Kafka({ brokers: [broker], clientId, logLevel: logLevel.NOTHING });
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** `disconnect()` can wait for an answer that never comes; a second is enough. */
export async function giveUp(client: { disconnect(): Promise<void> }): Promise<void> {
  const gone = client.disconnect().catch(() => {
    // The connection is being thrown away; how it ended changes nothing.
  });
  await Promise.race([gone, pause(1_000)]);
}
