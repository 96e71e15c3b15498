/** Options of the benchmark. Pure. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  readonly help: boolean;
  readonly jsonFile: string | null;
  readonly repeats: number;
  /** Seconds that a point drains in total, a latency run takes, and the broker is away. */
  readonly seconds: number;
  readonly backlogs: readonly number[];
}

const defaults = { repeats: 5, seconds: 10, backlogs: [10_000, 100_000, 1_000_000] };

export const helpText = `Usage: npm run bench -- [options]

Measures accepting, draining, latency, memory and file size on a real Kafka and Redis, ours and the
bare kafkajs producer one after the other, and prints medians with their spread. It takes 20 to 30
minutes.

With a PostgreSQL server on this machine (initdb and pg_ctl in /usr/lib/postgresql/*/bin or in the
PATH; as root an account postgres too), also draining beside pg-transactional-outbox and what both
make of an outage of the broker: 4 minutes more. Its data is in a folder of /var/tmp meanwhile.

Options:
  --json FILE       also write the result as JSON
  --repeats N       repeats of each point (default ${defaults.repeats})
  --seconds N       seconds that a point drains in total, at least, and that the broker is away in
                    an outage (default ${defaults.seconds})
  --backlogs N,…    events that wait when a drain begins (default ${defaults.backlogs.join(',')});
                    the smallest is drained beside pg-transactional-outbox
  --help            show this text
`;

const whole = (text: string) => (/^[1-9]\d{0,7}$/.test(text) ? Number(text) : Number.NaN);

/** The options, or what is wrong with them. */
export function parseBenchOptions(args: readonly string[]): BenchOptions | string {
  const text = { type: 'string' } as const;
  const options = { json: text, repeats: text, seconds: text, backlogs: text };
  let values: Partial<Record<keyof typeof options, string>> & { help?: boolean };
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: { ...options, help: { type: 'boolean' } },
    }));
  } catch (error) {
    return (error as Error).message;
  }
  const repeats = values.repeats === undefined ? defaults.repeats : whole(values.repeats);
  const seconds = values.seconds === undefined ? defaults.seconds : whole(values.seconds);
  const backlogs = values.backlogs?.split(',').map(whole) ?? defaults.backlogs;
  const wrong = Object.entries({ repeats, seconds, backlogs })
    .filter(([, value]) => [value].flat().some(Number.isNaN))
    .map(([name]) => `--${name} must be whole numbers from 1`);
  if (wrong.length > 0) return wrong.join('\n');
  const { help = false, json } = values;
  return { help, jsonFile: json ?? null, repeats, seconds, backlogs };
}
