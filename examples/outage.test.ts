// A suite of your own, for `node --test`: an outage of Kafka, a relay that dies where it hurts, and
// the account of every event at the end. It needs a Docker engine and the package testcontainers.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Outbox, openOutbox } from 'outbox-relay';
import {
  type AcceptedEvent,
  acceptedEvent,
  checkDelivery,
  killRelayAt,
  startKafka,
  startRelayProcess,
  type TestKafka,
  withKafkaDown,
} from 'outbox-relay/testing';

const folder = mkdtempSync(join(tmpdir(), 'shop-test-'));
const db = join(folder, 'shop.db');
const accepted: AcceptedEvent[] = [];
let outbox: Outbox;
let kafka: TestKafka;

before(async () => {
  outbox = openOutbox({ path: db });
  kafka = await startKafka();
  // Its records tell when they came, so that the checker can say which were late.
  await kafka.createTopic('orders', { config: { 'message.timestamp.type': 'LogAppendTime' } });
});
after(async () => {
  await kafka?.close();
  await outbox.close();
  rmSync(folder, { recursive: true });
});

/** What the application does; here, what it was told is written down as well. */
async function placeOrders(count: number): Promise<void> {
  for (let order = 0; order < count; order += 1) {
    const event = { topic: 'orders', key: `customer-${order % 10}`, value: { order } };
    accepted.push(acceptedEvent(event, await outbox.publish(event)));
  }
}

test('no order is lost in an outage, nor when the relay dies', async () => {
  const options = { db, brokers: kafka.brokers, batchEvents: 20 };
  await placeOrders(200);
  // Kafka has the batch, and the relay dies before it can note that down.
  const killed = await killRelayAt('sent', options, { nth: 2 });
  await using relay = await startRelayProcess(options);
  await withKafkaDown(kafka, () => placeOrders(200));
  await relay.drained();

  const found = checkDelivery({ accepted }, await kafka.consume('orders', 'end'), {
    lateAfterMs: 60_000,
  });
  assert.deepEqual(found.examples, []);
  assert.equal(found.accepted, 400);
  assert.equal(found.delivered, 400);
  assert.equal(found.lost + found.reordered + found.mismatched + found.unissued + found.late, 0);
  // At least once: what was in flight when the relay died came twice.
  assert.ok(found.duplicated > 0);
  assert.ok(found.duplicated <= 2 * killed.lanes * killed.batchEvents);
});
