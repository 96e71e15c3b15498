/** An event's bytes as JSON: text where they are text, base64 where they are not. */
import { isUtf8 } from 'node:buffer';
import type { Header } from '../core/event.ts';

export function keyOf(key: Buffer | null): object {
  if (key === null) return {};
  return isUtf8(key) ? { key: key.toString() } : { keyBase64: key.toString('base64') };
}

/** One name for all of them: a reader need not look at each. */
export function headersOf(headers: readonly Header[]): object {
  if (headers.length === 0) return {};
  const allText = headers.every(([, bytes]) => bytes !== null && isUtf8(bytes));
  const as = (encoding: 'utf8' | 'base64') =>
    headers.map(([name, bytes]) => [name, bytes && Buffer.from(bytes).toString(encoding)]);
  return allText ? { headers: as('utf8') } : { headersBase64: as('base64') };
}
