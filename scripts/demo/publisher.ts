/**
 * The publisher: the application of the demo, a process of its own. It knows the outbox file and
 * neither Kafka nor Redis, so nothing that happens to them can reach it.
 *
 * Flights are issued at a steady pace, in groups of what is due; a group is published
 * concurrently, written to the ledger, synced, and only then counted.
 */
import { openOutbox } from '../../src/index.ts';
import { hashOf } from '../../src/testing/checker.ts';
import { pause } from './client.ts';
import { type FlightEvent, flightEvent, readFlights } from './flights.ts';
import { acceptedLine, LedgerWriter, unknownLine } from './ledger.ts';
import {
  endWithMain,
  finish,
  type PublisherMessage,
  type PublisherTask,
  readTask,
  tell,
} from './messages.ts';

const groupMax = 1_000;
const tickMs = 10;
const progressMs = 50;

interface Outcome {
  /** Line for the ledger; `null` when the event was refused and nothing is stored. */
  readonly line: string | null;
  readonly kind: 'accepted' | 'unknown' | 'rejected';
}

type Publish = (event: { topic: string; key: string; value: string }) => Promise<{ id: string }>;

async function publishOne(
  publish: Publish,
  topic: string,
  event: FlightEvent & { readonly number: number },
): Promise<Outcome> {
  const { number, key, value } = event;
  const given = { topic, key, hash: hashOf(value) };
  try {
    const { id } = await publish({ topic, key, value });
    return { kind: 'accepted', line: acceptedLine({ number, id, ...given, atMs: Date.now() }) };
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'OUTCOME_UNKNOWN') {
      return { kind: 'unknown', line: unknownLine(given) };
    }
    process.stderr.write(`publish was refused: ${String(error)}\n`);
    return { kind: 'rejected', line: null };
  }
}

async function run(task: PublisherTask): Promise<void> {
  const flights = readFlights();
  const ledger = await LedgerWriter.create(task.ledgerFile);
  const outbox = await openOutbox({ path: task.dbFile });
  const counts = { accepted: 0, unknown: 0, rejected: 0 };
  const startedMs = performance.now();
  let issued = 0;
  let toldMs = startedMs;
  while (issued < task.events) {
    const nowMs = performance.now();
    const due = Math.floor(((nowMs - startedMs) / 1_000) * task.eventsPerSecond);
    const end = Math.min(due, issued + groupMax, task.events);
    if (end > issued) {
      const group = Array.from({ length: end - issued }, (_, at) => {
        const number = issued + at + 1;
        return { number, ...flightEvent(flights, number) };
      });
      issued = end;
      const publish: Publish = (event) => outbox.publish(event);
      const outcomes = await Promise.all(group.map((one) => publishOne(publish, task.topic, one)));
      await ledger.append(outcomes.map(({ line }) => line).filter((line) => line !== null));
      for (const { kind } of outcomes) counts[kind] += 1;
    } else {
      await pause(tickMs);
    }
    if (nowMs - toldMs >= progressMs) {
      toldMs = nowMs;
      await tell<PublisherMessage>({ type: 'progress', accepted: counts.accepted });
    }
  }
  await ledger.close();
  await outbox.close();
  await tell<PublisherMessage>({ type: 'done', ...counts });
}

endWithMain();
await run(readTask<PublisherTask>());
finish();
