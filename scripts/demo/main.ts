/**
 * The demo: real events through SQLite and BullMQ into a real Kafka, while the broker, Redis and
 * the relay are killed. Everything it starts is ended at the end, on failure and on Ctrl-C, unless
 * `--keep` is given; see options.ts for the options and the exit codes.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exitCodeOf } from './judge.ts';
import {
  type DemoOptions,
  DemoUsageError,
  helpText,
  parseDemoOptions,
  scheduleOf,
} from './options.ts';
import { buildReport, type RunResult, reportLines, writeReport } from './report.ts';
import { Screen } from './screen.ts';
import { Stage, topic } from './stage.ts';
import { playStory } from './story.ts';
import { createPaint, type Snapshot } from './view.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

class Interrupted extends Error {
  readonly exitCode: number;
  constructor(signal: keyof typeof signals) {
    super(`interrupted by ${signal}`);
    this.exitCode = signals[signal];
  }
}

const rateWindowMs = 3_000;

/** Rates over the last seconds, from totals that only grow. */
class Rate {
  readonly #points: { readonly atMs: number; readonly total: number }[] = [];

  perSecond(total: number): number {
    const atMs = performance.now();
    this.#points.push({ atMs, total });
    while ((this.#points[1]?.atMs ?? atMs) < atMs - rateWindowMs) this.#points.shift();
    const oldest = this.#points[0] ?? { atMs, total };
    return atMs === oldest.atMs ? 0 : ((total - oldest.total) / (atMs - oldest.atMs)) * 1_000;
  }
}

/** The moment in numbers: accepted from the publisher, the rest as `status` says it. */
function snapshotter(stage: () => Stage, events: number): () => Snapshot {
  const startedMs = performance.now();
  const rates = { accepted: new Rate(), delivered: new Rate() };
  return () => {
    const accepted = stage().accepted();
    const status = stage().statusWatch?.last;
    const delivered = status?.delivered ?? 0;
    return {
      elapsedSeconds: (performance.now() - startedMs) / 1_000,
      events,
      accepted,
      delivered,
      pending: status?.pending ?? 0,
      acceptedPerSecond: rates.accepted.perSecond(accepted),
      deliveredPerSecond: rates.delivered.perSecond(delivered),
      circuit: status?.circuit ?? 'unknown',
      relay: status?.relay ?? 'none',
      roundsUsedUp: status?.roundsUsedUp ?? 0,
      now: stage().current,
    };
  };
}

/** Runs the demo on a stage of its own and gives what came out. */
async function perform(stage: Stage, screen: Screen, options: DemoOptions): Promise<RunResult> {
  const startedMs = performance.now();
  await stage.setUp();
  stage.startPublishing();
  const { outageSeconds } = options;
  const story = await playStory(stage, { ...scheduleOf(options), outageSeconds });
  const { status: watch } = stage.running;
  const status = await watch.ask();
  stage.now('an independent consumer reads the topic');
  await stage.consume();
  stage.tell('the topic is read; every event is accounted for');
  stage.now('done');
  screen.close();
  const runSeconds = Math.round((performance.now() - startedMs) / 100) / 10;
  const { ledgerFile, consumedFile } = stage;
  const { peakPending } = watch;
  const files = { ledgerFile, consumedFile };
  const { events: issued } = options;
  const times = { outageSeconds, runSeconds };
  return buildReport({ ...files, issued, story, status, peakPending, ...times });
}

function keepText(stage: Stage, folder: string): string {
  const { broker, kafka, redis, relay } = stage.running;
  const db = relative(process.cwd(), stage.dbFile);
  return [
    'Everything is left running. To look at it:',
    `  npm run -s cli -- status --db ${db}`,
    `  kcat -b ${broker} -t ${topic} -C -o beginning -e -f '%p %o %k %s\\n' | head`,
    `  docker exec ${redis} redis-cli --scan`,
    'To publish more:',
    `  echo '{"topic":"${topic}","key":"SFO","value":"hello"}' |`,
    `    npm run -s cli -- publish --db ${db} -`,
    'To stop it all:',
    `  kill ${relay.pid}; docker rm --force --volumes ${kafka} ${redis};`,
    `  rm -r ${relative(process.cwd(), folder)}`,
    '',
  ].join('\n');
}

async function demo(options: DemoOptions): Promise<number> {
  const out = options.json ? process.stderr : process.stdout;
  const folder = join(
    root,
    '.demo',
    `${new Date().toISOString().replaceAll(':', '')}-${process.pid}`,
  );
  mkdirSync(folder, { recursive: true });
  const abort = new AbortController();
  const interrupt = (signal: NodeJS.Signals) =>
    abort.abort(new Interrupted(signal as keyof typeof signals));
  for (const signal of Object.keys(signals)) process.on(signal, interrupt);
  let screen: Screen | null = null;
  const { events } = options;
  const stage = new Stage({
    folder,
    events,
    eventsPerSecond: scheduleOf(options).eventsPerSecond,
    signal: abort.signal,
    tell: (text) => screen?.tell(text),
  });
  screen = new Screen(
    out,
    snapshotter(() => stage, events),
  );
  let exitCode = 1;
  try {
    const result = await perform(stage, screen, options);
    const paint = createPaint(out.isTTY === true && !process.env['NO_COLOR']);
    out.write(`\n${reportLines(result, paint).join('\n')}\n\n`);
    if (options.reportFile !== null) writeReport(options.reportFile, result.report);
    if (options.json) process.stdout.write(`${JSON.stringify(result.report, null, 2)}\n`);
    exitCode = exitCodeOf(result.report.faults);
    if (options.keep) {
      out.write(keepText(stage, folder));
      warnOf(await stage.release());
      return exitCode;
    }
  } catch (error) {
    screen.close();
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`\n${message}\n`);
    if (error instanceof Interrupted) exitCode = error.exitCode;
  }
  screen.close();
  warnOf(await stage.tearDown());
  if (exitCode !== 1) rmSync(folder, { recursive: true, force: true });
  else process.stderr.write(`Ledger, consumed records and logs are in ${folder}\n`);
  return exitCode;
}

function warnOf(faults: readonly string[]): void {
  for (const fault of faults) process.stderr.write(`could not be ended: ${fault}\n`);
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseDemoOptions(args);
    if (!options.help) return await demo(options);
    process.stdout.write(helpText);
    return 0;
  } catch (error) {
    if (!(error instanceof DemoUsageError)) throw error;
    process.stderr.write(`${error.message}\n${error.hint}\n`);
    return 2;
  }
}

process.exitCode = await main(process.argv.slice(2));
