/** How far a long command is: one line on a terminal, written over; nothing anywhere else. */
import type { Progress } from '../outbox/integrity.ts';

/** Told more often, a terminal would cost more than the work. */
const everyMs = 100;

export interface ProgressLine {
  readonly tell: Progress;
  /** Takes the line away. */
  readonly end: () => void;
}

export function createProgressLine(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  if (!stream.isTTY) return { tell: () => {}, end: () => {} };
  let toldAtMs = 0;
  return {
    tell: (what, done, of) => {
      const nowMs = performance.now();
      if (nowMs - toldAtMs < everyMs) return;
      toldAtMs = nowMs;
      const end = of === null ? '' : ` of ${of.toLocaleString('en-US')}`;
      const count = done === 0 ? '' : ` ${done.toLocaleString('en-US')}${end}`;
      stream.write(`\r\x1b[K${what}:${count}…`);
    },
    end: () => stream.write('\r\x1b[K'),
  };
}
