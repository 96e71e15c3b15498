/**
 * The demo's command line. Every fault is reported at once, with what was received; a run's pace
 * follows from the number of events and the length of the outage.
 */
import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** Events to publish. 100 to 2,000,000. Default: 231,083. */
  readonly events: number;
  /** Seconds between the broker's SIGKILL and its start. 5 to 600. Default: 20. */
  readonly outageSeconds: number;
  /** Leave everything running at the end. Default: false. */
  readonly keep: boolean;
  /** File that gets the report as JSON, or `null`. */
  readonly reportFile: string | null;
  /** Report as JSON on stdout, everything else on stderr. Default: false. */
  readonly json: boolean;
  readonly help: boolean;
}

/** A mistake on the command line: exit code 2. */
export class DemoUsageError extends Error {
  override readonly name = 'DemoUsageError';
  readonly hint = 'See `npm run demo -- --help`.';
}

const eventsDefault = 231_083;
const eventsBounds = { min: 100, max: 2_000_000 };
const outageDefault = 20;
/** A round of `--retries 3 --delay 1000` takes 3 s: a shorter outage could not use one up. */
const outageBounds = { min: 5, max: 600 };

export const helpText = `Usage: npm run demo -- [options]

Starts Kafka and Redis in containers, a relay and a publisher, then breaks things while events
flow: kills the broker, flushes Redis, kills the relay. At the end an independent consumer reads
the topic and every event is accounted for.

Options:
  --events N        events to publish, ${eventsBounds.min} to ${eventsBounds.max}
                    (default ${eventsDefault})
  --outage SECONDS  how long the broker stays dead, ${outageBounds.min} to ${outageBounds.max}
                    (default ${outageDefault})
  --report FILE     write the report as JSON to FILE
  --json            print the report as JSON on stdout, progress on stderr
  --keep            leave all running, print how to look at it and how to stop it
  --help            show this text

Exit codes:
  0    nothing lost, reordered, altered or invented; repeats within their bound
  1    the verdict failed, or the demo could not run
  2    a mistake on the command line
  130  interrupted (Ctrl-C); 143 terminated

Environment:
  KAFKA_IMAGE, REDIS_IMAGE   images to run (default: as written to .env by the set-up)
  NO_COLOR                   no colours
`;

/** Reads the command line. @throws DemoUsageError with every fault in its message */
export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const values = parseValues(args);
  const faults: string[] = [];
  const count = (name: 'events' | 'outage', bounds: { min: number; max: number }) => {
    const text = values[name];
    const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= bounds.min && number <= bounds.max) return number;
    const { min, max } = bounds;
    faults.push(`--${name} must be a whole number from ${min} to ${max}, got "${text}"`);
    return min;
  };
  const events = count('events', eventsBounds);
  const outageSeconds = count('outage', outageBounds);
  if (values.report === '') faults.push('--report needs a file name, got ""');
  if (faults.length > 0) throw new DemoUsageError(faults.join('; '));
  const { keep, json, help } = values;
  return { events, outageSeconds, keep, json, help, reportFile: values.report ?? null };
}

function parseValues(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        events: { type: 'string', default: String(eventsDefault) },
        outage: { type: 'string', default: String(outageDefault) },
        report: { type: 'string' },
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    return values;
  } catch (error) {
    throw new DemoUsageError(error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

export interface DemoSchedule {
  /** How long publishing takes at a steady pace, seconds. */
  readonly publishSeconds: number;
  readonly eventsPerSecond: number;
  /** Moments of the run, seconds after the first event. */
  readonly brokerKillSeconds: number;
  readonly relayKillSeconds: number;
}

const eventsPerSecondMax = 3_000;
/** Room around the outage: a lead-in, the broker's start, the drain, and the relay's death. */
const calmSeconds = 26;

/** The pace and the moments of a run; publishing goes on through all of them. */
export function scheduleOf(options: {
  readonly events: number;
  readonly outageSeconds: number;
}): DemoSchedule {
  const { events, outageSeconds } = options;
  const publishSeconds = Math.max(outageSeconds + calmSeconds, events / eventsPerSecondMax);
  const calm = publishSeconds - outageSeconds;
  return {
    publishSeconds,
    eventsPerSecond: events / publishSeconds,
    brokerKillSeconds: calm * 0.35,
    relayKillSeconds: calm * 0.75 + outageSeconds,
  };
}
