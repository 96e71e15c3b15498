/** What every driver with transactions promises (src/sink/driver.ts). */
import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type {
  SinkRecord,
  SlotMark,
  TransactionalSender,
  TransactionNames,
} from '../../src/sink/driver.ts';
import { until } from '../support/wait.ts';
import type { DriverSubject } from './driver.suite.ts';

const deadlineMs = 20_000;
const mark = (slot: number, number: number, note = ''): SlotMark => ({ slot, number, note });

export function transactionContract(subject: () => DriverSubject): void {
  const newTopic = async (): Promise<string> => {
    const topic = `transactions-${randomUUID()}`;
    await subject().createTopic(topic, 2);
    return topic;
  };
  const record = (topic: string, text: string, partition = 0): SinkRecord => {
    return { topic, partition, key: null, value: Buffer.from(text), headers: [], timestampMs: 1 };
  };
  const newNames = (): TransactionNames => {
    const id = randomUUID();
    const group = `outbox-relay.${id}.1`;
    return { transactionalId: `${id}-0`, group, slots: 4, ownSlots: [0, 2] };
  };
  const create = (names: TransactionNames, on: 'driver' | 'unreachable' = 'driver') => {
    const sender = subject()[on].createTransactionalSender?.('lane-0', names);
    if (sender === undefined) throw new Error('this driver has no transactions');
    return sender;
  };
  const marksOf = async (sender: TransactionalSender): Promise<SlotMark[]> => {
    const opened = await sender.open(deadlineMs);
    if (opened.kind !== 'opened') throw new Error(`not opened: ${opened.code}: ${opened.message}`);
    return [...opened.watermarks.values()].sort((a, b) => a.slot - b.slot);
  };
  const valuesOf = async (topic: string, count: number): Promise<string[]> => {
    return (await subject().written(topic, count)).map(({ value }) => String(value));
  };

  describe('transactions', () => {
    // A broker makes the topics of its coordinators when it is asked for the first time.
    beforeAll(async () => {
      const sender = create(newNames());
      const isOpened = async () => (await sender.open(deadlineMs)).kind === 'opened';
      await until('the coordinators are there', isOpened, { timeoutMs: 60_000 });
      await sender.close();
    });

    it('commit records and marks together, and the next opening reads the marks', async () => {
      const [topic, names] = [await newTopic(), newNames()];
      const [first, second] = [create(names), create(names)];
      expect(await marksOf(first)).toEqual([]);
      const records = [record(topic, 'one'), record(topic, 'two'), record(topic, 'other', 1)];
      const sent = await first.send(records, [mark(0, 7, 'six 7'), mark(2, 2)], deadlineMs);
      expect(sent).toMatchObject({ kind: 'acked' });
      await first.send([record(topic, 'three')], [mark(0, 8, 'seven 8')], deadlineMs);
      await first.close();
      expect(await marksOf(second)).toEqual([mark(0, 8, 'seven 8'), mark(2, 2)]);
      await second.close();
      expect((await valuesOf(topic, 4)).sort()).toEqual(['one', 'other', 'three', 'two']);
    });

    it('follow each other without a pause between them', async () => {
      const [topic, sender] = [await newTopic(), create(newNames())];
      await marksOf(sender);
      for (let number = 1; number <= 20; number += 1) {
        const sent = await sender.send([record(topic, `${number}`)], [mark(0, number)], deadlineMs);
        expect(sent).toMatchObject({ kind: 'acked' });
      }
      expect(await marksOf(sender)).toEqual([mark(0, 20)]);
      await sender.close();
      const all = Array.from({ length: 20 }, (_, index) => `${index + 1}`);
      expect(await valuesOf(topic, 20)).toEqual(all);
    });

    it('of an older sender come to nothing once a newer one is open', async () => {
      const [topic, names] = [await newTopic(), newNames()];
      const [older, newer] = [create(names), create(names)];
      await marksOf(older);
      await older.send([record(topic, 'one')], [mark(0, 1)], deadlineMs);
      expect(await marksOf(newer)).toEqual([mark(0, 1)]);
      const late = await older.send([record(topic, 'late')], [mark(0, 2)], deadlineMs);
      expect(late).toMatchObject({ kind: 'fenced' });
      expect([older.isOpen, older.inDoubt]).toEqual([false, false]);
      await newer.send([record(topic, 'two')], [mark(0, 3)], deadlineMs);
      await Promise.all([older.close(), newer.close()]);
      expect(await valuesOf(topic, 2)).toEqual(['one', 'two']);
    });

    it('with a record that is refused leave nothing behind, and can be opened again', async () => {
      const [topic, sender] = [await newTopic(), create(newNames())];
      await marksOf(sender);
      const large = { ...record(topic, ''), value: Buffer.alloc(2_000_000) };
      const batch = [record(topic, 'beside it', 1), large];
      const refusal = { kind: 'refused-record', code: 'MESSAGE_TOO_LARGE' };
      expect(await sender.send(batch, [mark(0, 1)], deadlineMs)).toMatchObject(refusal);
      expect([sender.isOpen, sender.inDoubt]).toEqual([false, false]);
      expect(await marksOf(sender)).toEqual([]);
      const sent = await sender.send([record(topic, 'after it')], [mark(0, 2)], deadlineMs);
      expect(sent).toMatchObject({ kind: 'acked' });
      await sender.close();
      expect(await valuesOf(topic, 1)).toEqual(['after it']);
    });

    it('are opened beside those of another lane, which never rests', async () => {
      const [topic, names] = [await newTopic(), newNames()];
      const id = `${names.transactionalId}-other`;
      const other = create({ ...names, transactionalId: id, ownSlots: [1, 3] });
      const own = create(names);
      await marksOf(own);
      await own.send([record(topic, 'own')], [mark(0, 1)], deadlineMs);
      await marksOf(other);
      let isOpened = false;
      const work = async () => {
        for (let number = 1; !isOpened; number += 1) {
          const sent = await other.send([record(topic, 'x', 1)], [mark(1, number)], deadlineMs);
          if (sent.kind !== 'acked') throw new Error(`not sent: ${sent.code}: ${sent.message}`);
        }
      };
      const working = work();
      const marks = await marksOf(own).finally(() => {
        isOpened = true;
      });
      await working;
      expect(marks).toEqual([mark(0, 1)]);
      await Promise.all([own.close(), other.close()]);
    });

    it('may have marks alone, and each group has its own', async () => {
      const [one, other] = [create(newNames()), create(newNames())];
      await marksOf(one);
      expect(await one.send([], [mark(0, 1)], deadlineMs)).toMatchObject({ kind: 'acked' });
      expect(await marksOf(other)).toEqual([]);
      expect(await marksOf(one)).toEqual([mark(0, 1)]);
      await Promise.all([one.close(), other.close()]);
    });

    it('are not begun before they are opened, nor without a mark', async () => {
      const sender = create(newNames());
      const defect = { code: 'INVARIANT_BROKEN' };
      await expect(sender.send([], [mark(0, 1)], deadlineMs)).rejects.toMatchObject(defect);
      await marksOf(sender);
      await expect(sender.send([], [], deadlineMs)).rejects.toMatchObject(defect);
      await sender.close();
      await sender.close();
    });

    it('call an absent broker an outage', async () => {
      const sender = create(newNames(), 'unreachable');
      expect(await sender.open(2_000)).toMatchObject({ kind: 'outage' });
      expect([sender.isOpen, sender.inDoubt]).toEqual([false, false]);
      await sender.close();
    });
  });
}
