/** Tables for people: plain text, no lines. */
import { isUtf8 } from 'node:buffer';
import Table from 'cli-table3';

const none = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

type Cell = string | number | null;

export function tableOf(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const style = { head: [], border: [], 'padding-left': 0, 'padding-right': 0 };
  const table = new Table({ head: [...head], chars: none, style });
  for (const row of rows) table.push(row.map((cell) => (cell === null ? '-' : plain(cell))));
  // The last column is filled up with blanks, too.
  return table.toString().replace(/[ \t]+$/gm, '');
}

/** Nobody's key or message moves the cursor of a terminal, or looks like a row of its own. */
export function plain(text: string | number): string {
  return String(text).replace(/[\p{Cc}\u2028\u2029\p{Bidi_Control}]/gu, (character) => {
    const code = (character.codePointAt(0) as number).toString(16);
    return `\\u${code.padStart(4, '0')}`;
  });
}

/** Bytes that are no text are told as base64. */
export function textOf(bytes: Buffer | null): string | null {
  if (bytes === null) return null;
  return isUtf8(bytes) ? bytes.toString() : `base64:${bytes.toString('base64')}`;
}

/** As people read it: to the second. */
export function timeOf(atMs: number | null): string {
  return atMs === null ? '-' : new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z');
}
