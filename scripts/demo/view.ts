/**
 * What the person at the terminal sees: on a terminal a panel that is redrawn in place, without
 * one a plain line every two seconds. The events of the story stay in both.
 */
export interface Snapshot {
  readonly elapsedSeconds: number;
  readonly events: number;
  readonly accepted: number;
  readonly delivered: number;
  readonly pending: number;
  readonly acceptedPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly circuit: string;
  readonly relay: string;
  readonly roundsUsedUp: number;
  /** What is being broken right now. */
  readonly now: string;
}

export interface StoryLine {
  readonly atSeconds: number;
  readonly text: string;
}

const steps = '▁▂▃▄▅▆▇█';
const sparkWidth = 48;
const barWidth = 32;

/** The whole history in `width` characters; each shows the highest of the values it stands for. */
export function sparkline(values: readonly number[], width: number): string {
  const perStep = Math.max(1, Math.ceil(values.length / width));
  const shown = Array.from({ length: Math.ceil(values.length / perStep) }, (_, at) =>
    values.slice(at * perStep, (at + 1) * perStep).reduce((a, b) => Math.max(a, b)),
  );
  const peak = shown.reduce((a, b) => Math.max(a, b), 1);
  const step = (value: number) =>
    steps[value === 0 ? 0 : Math.max(1, Math.round((value / peak) * (steps.length - 1)))];
  return shown.map(step).join('');
}

export function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

export function clockText(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

const numbers = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const count = (value: number) => numbers.format(value).padStart(9);

export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
}

const wrap = (code: number) => (text: string) => `\u001b[${code}m${text}\u001b[0m`;
const plain = (text: string) => text;

export function createPaint(coloured: boolean): Paint {
  return coloured
    ? { bold: wrap(1), dim: wrap(2), red: wrap(31), green: wrap(32) }
    : { bold: plain, dim: plain, red: plain, green: plain };
}

export interface Panel {
  readonly snapshot: Snapshot;
  /** Earlier values of `pending`, oldest first. */
  readonly pendingHistory: readonly number[];
  readonly story: readonly StoryLine[];
}

/** The panel's lines, without a line end; colours are applied to whole words only. */
export function panelLines({ snapshot, pendingHistory, story }: Panel, paint: Paint): string[] {
  const { events, accepted, delivered, pending, circuit, relay, roundsUsedUp, now } = snapshot;
  const peak = pendingHistory.reduce((a, b) => Math.max(a, b), 0);
  const rates =
    `${numbers.format(snapshot.acceptedPerSecond)}/s in, ` +
    `${numbers.format(snapshot.deliveredPerSecond)}/s out`;
  const state = circuit === 'open' ? paint.red('OPEN') : paint.green(circuit);
  const label = (text: string) => paint.dim(text.padEnd(10));
  return [
    `${paint.bold('outbox-relay demo')}  SQLite → BullMQ → Kafka  ` +
      paint.dim(clockText(snapshot.elapsedSeconds)),
    '',
    `${label('accepted')}${count(accepted)}  ${bar(accepted / events, barWidth)}`,
    `${label('delivered')}${count(delivered)}  ${bar(delivered / events, barWidth)}`,
    `${label('pending')}${count(pending)}  ${sparkline(pendingHistory, sparkWidth)}`,
    `${label('')}${paint.dim(`${' '.repeat(11)}peak ${numbers.format(peak)}`)}`,
    `${label('rate')}${rates}`,
    `${label('circuit')}${state}, relay ${relay}, rounds used up ${roundsUsedUp}`,
    `${label('now')}${paint.bold(now)}`,
    '',
    ...story.map(
      ({ atSeconds, text }) => `${paint.dim(clockText(atSeconds).padStart(6))}  ${text}`,
    ),
  ];
}

/** One line for logs and pipes. */
export function plainLine(snapshot: Snapshot): string {
  const { elapsedSeconds, accepted, delivered, pending, circuit, now } = snapshot;
  const parts = [
    clockText(elapsedSeconds).padStart(6),
    `accepted ${numbers.format(accepted)}`,
    `delivered ${numbers.format(delivered)}`,
    `pending ${numbers.format(pending)}`,
    `${numbers.format(snapshot.deliveredPerSecond)}/s`,
    `circuit ${circuit}`,
    now,
  ];
  return parts.join('  ');
}

/** Cuts to the terminal's width; escape sequences take no room. */
export function cutTo(line: string, columns: number): string {
  let room = columns;
  let cut = '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is matched
  for (const [part] of line.matchAll(/\u001b\[\d+m|./gu)) {
    const isEscape = part.length > 1 && part.startsWith('\u001b');
    if (!isEscape && room === 0) continue;
    if (!isEscape) room -= 1;
    cut += part;
  }
  return cut;
}
