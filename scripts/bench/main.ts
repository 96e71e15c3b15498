/** `npm run bench [-- --json FILE]`: ours, the bare client and a rival, on a real broker. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '../command.ts';
import { Endings } from '../demo/endings.ts';
import { measureAccepting } from './accept.ts';
import { measureDrain } from './drain.ts';
import { measureFootprint } from './footprint.ts';
import { measureHeld } from './held.ts';
import { measureLatency } from './latency.ts';
import { measureOnce } from './once.ts';
import { type BenchOptions, helpText, parseBenchOptions } from './options.ts';
import { type BenchReport, reportLines, toJson } from './report.ts';
import { measureRival } from './rival/measure.ts';
import { startServices } from './services.ts';

/** On the disk of the checkout: a temporary folder may be memory. */
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Each leaves nothing behind. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function bench(options: BenchOptions): Promise<BenchReport> {
  const endings = new Endings();
  const folder = mkdtempSync(join(root, '.bench-'));
  endings.add(folder, async () => rmSync(folder, { recursive: true, force: true }));
  const startedMs = performance.now();
  const tell = (text: string) => {
    const seconds = Math.round((performance.now() - startedMs) / 1_000);
    process.stderr.write(`${String(seconds).padStart(5)} s  ${text}\n`);
  };
  const interrupt = () => void endings.endAll().then(() => process.exit(130));
  for (const signal of signals) process.once(signal, interrupt);
  try {
    tell('Kafka and Redis are started');
    const services = await startServices(endings);
    const { repeats } = options;
    tell('accepting');
    const accept = await measureAccepting({
      folder,
      repeats,
      secondsOfEach: options.seconds / options.repeats,
    });
    const plan = { folder, services, repeats, tell };
    const drain = [];
    for (const backlog of options.backlogs) {
      drain.push(await measureDrain(backlog, { ...plan, secondsMin: options.seconds }));
    }
    // The bare client's own records: what is left is our doing, the rest its price of a header.
    const drainAlike = await measureDrain(middleOf(options.backlogs), {
      ...plan,
      secondsMin: options.seconds,
      headers: false,
    });
    const held = await measureHeld(Math.max(...options.backlogs), {
      ...plan,
      secondsMin: options.seconds,
      backlog: middleOf(options.backlogs),
    });
    const once = await measureOnce(middleOf(options.backlogs), {
      ...plan,
      secondsMin: options.seconds,
    });
    const latency = await measureLatency({ ...plan, secondsOfEach: options.seconds });
    tell('memory and file');
    const events = Math.max(...options.backlogs);
    const footprint = await measureFootprint({ folder, services, events });
    // The last one: it kills the broker.
    const outcome = await measureRival({
      ...plan,
      endings,
      secondsMin: options.seconds,
      backlog: Math.min(...options.backlogs),
      outageSeconds: options.seconds,
    });
    return { accept, drain, drainAlike, held, once, latency, footprint, ...outcome };
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
    for (const fault of await endings.endAll()) tell(`could not be ended: ${fault}`);
  }
}

const middleOf = (backlogs: readonly number[]) =>
  backlogs.toSorted((a, b) => a - b)[Math.floor(backlogs.length / 2)] as number;

async function run(options: BenchOptions): Promise<number> {
  const report = await bench(options);
  process.stdout.write(`${reportLines(report).join('\n')}\n`);
  if (options.jsonFile !== null) writeFileSync(options.jsonFile, toJson(report));
  return 0;
}

await runCommand({ helpText, parse: parseBenchOptions, run });
