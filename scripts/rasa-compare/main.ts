/** `npm run rasa:compare [-- --json FILE]`: delivered of sent across an outage, ours and theirs. */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Endings } from '../demo/endings.ts';
import { type Comparison, reportLines } from './report.ts';
import { compare } from './story.ts';

const helpText = `Usage: npm run rasa:compare -- [options]

Takes our event broker and a stand-in of Rasa's own (Python, librdkafka) through the same outage of
a real Kafka, side by side, and counts what was delivered of what was sent. About a minute.

Options:
  --json FILE     also write the result as JSON
  --senders N     conversations (default 3)
  --events N      events of each conversation in each phase (default 5)
  --help          show this text
`;

const whole = (text: string) => (/^[1-9]\d{0,4}$/.test(text) ? Number(text) : null);

async function main(args: string[]): Promise<number> {
  const text = { type: 'string' } as const;
  const options = { json: text, senders: text, events: text, help: { type: 'boolean' } } as const;
  const { values } = parseArgs({ args, options });
  const [senders, events] = [whole(values.senders ?? '3'), whole(values.events ?? '5')];
  if (values.help === true || senders === null || events === null) {
    process.stdout.write(helpText);
    return values.help === true ? 0 : 2;
  }
  const result = await run(senders, events);
  process.stdout.write(`${reportLines(result).join('\n')}\n`);
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  return result.ours.lost === 0 && result.ours.reordered === 0 ? 0 : 1;
}

async function run(senders: number, events: number): Promise<Comparison> {
  const endings = new Endings();
  const interrupt = () => void endings.endAll().then(() => process.exit(130));
  process.once('SIGINT', interrupt);
  try {
    const tell = (text: string) => process.stderr.write(`… ${text}\n`);
    return await compare({ senders, events, tell }, endings);
  } finally {
    process.off('SIGINT', interrupt);
    for (const fault of await endings.endAll()) process.stderr.write(`left: ${fault}\n`);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
