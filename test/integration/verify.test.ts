/** Did it really arrive? Reads a real Kafka back, whole and with faults that are planted. */
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Verification, verifyDelivery } from '../../src/index.ts';
import { CommandLine } from '../support/cli.ts';
import { KafkaBroker } from '../support/kafka.ts';
import { Scene } from '../support/scene.ts';

let kafka: KafkaBroker;
let scene: Scene;

beforeAll(async () => {
  kafka = await KafkaBroker.start();
});
afterAll(() => kafka?.stop());
beforeEach(async () => {
  scene = new Scene();
  await kafka.createTopic(scene.topic);
  scene.enqueue(300);
  const relay = scene.relay(kafka.address, { batchEvents: 20 });
  await relay.start();
  await scene.drained(relay);
  await relay.stop();
});
afterEach(() => scene.close());

const verify = (): Promise<Verification> =>
  verifyDelivery({ db: scene.db, brokers: [kafka.address] });

function sql(text: string): void {
  const db = new Database(scene.db);
  db.exec(text);
  db.close();
}

describe('verify', () => {
  it('finds everything that was delivered, and no more than that', async () => {
    expect(await verify()).toEqual({
      ok: true,
      topics: [
        {
          topic: scene.topic,
          checked: 300,
          missing: 0,
          duplicated: 0,
          misordered: 0,
          unknownRanges: 0,
          gone: 0,
          examples: [],
        },
      ],
    });
  });

  it('finds events that Kafka does not have, and says which', async () => {
    // As if acknowledged and lost: the outbox says so, and the record has another id.
    sql(`UPDATE outbox_events SET id = '00000000-0000-7000-8000-000000000000' WHERE seq = 7`);
    const { ok, topics } = await verify();
    expect(ok).toBe(false);
    const id = '00000000-0000-7000-8000-000000000000';
    expect(topics).toMatchObject([
      { checked: 300, missing: 1, examples: [{ what: 'missing', seq: 7, id }] },
    ]);
  });

  it('finds repeats, and events out of their key’s order', async () => {
    // Sent once more from an older cursor: repeats. Two of one key change places: misordered.
    sql('UPDATE outbox_lanes SET cursor = 0');
    const again = scene.relay(kafka.address);
    await again.start();
    await scene.drained(again);
    await again.stop();
    sql(`
      CREATE TEMP TABLE swapped AS SELECT seq, id FROM outbox_events WHERE seq IN (20, 40);
      UPDATE outbox_events SET id = (SELECT id FROM swapped WHERE seq <> outbox_events.seq)
      WHERE seq IN (20, 40)`);
    const { ok, topics } = await verify();
    expect(ok).toBe(false);
    expect(topics[0]).toMatchObject({ missing: 0, duplicated: 300, misordered: 1 });
  });

  it('reads a partition whole when the offsets of a batch are not known', async () => {
    sql('UPDATE outbox_ledger SET first_offset = NULL, last_offset = NULL WHERE id = 1');
    const { ok, topics } = await verify();
    expect(ok).toBe(true);
    expect(topics[0]).toMatchObject({ checked: 300, missing: 0, unknownRanges: 1 });
  });

  it('says what the outbox does not have any more', async () => {
    sql('DELETE FROM outbox_events WHERE seq <= 100');
    expect((await verify()).topics[0]).toMatchObject({ checked: 200, gone: 100, missing: 0 });
  });

  it('is a command with an exit code of its own', async () => {
    const cli = new CommandLine();
    scene.onClose(() => cli.close());
    const args = ['verify', '--db', scene.db, '--brokers', kafka.address];
    const { code, out } = await cli.run(args);
    expect(out).toMatch(new RegExp(`${scene.topic}\\s+300\\s+0\\s+0\\s+0\\s+0`));
    expect(code).toBe(0);
    sql(`UPDATE outbox_events SET id = '00000000-0000-7000-8000-000000000000' WHERE seq = 7`);
    const bad = await cli.run([...args, '--json']);
    expect(JSON.parse(bad.out)).toMatchObject({ ok: false });
    expect(bad.code).toBe(10);
  });

  it('says so when Kafka cannot be read', async () => {
    const options = { db: scene.db, brokers: ['127.0.0.1:1'] };
    await expect(verifyDelivery(options)).rejects.toMatchObject({ code: 'READ_FAILED' });
  });
});
