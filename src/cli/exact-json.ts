/**
 * JSON that keeps its numbers.
 *
 * `JSON.parse` rounds 12345678901234567890 and makes 1e999 infinite, which `JSON.stringify` writes
 * as null: an event would be accepted and another one stored. Such numbers are kept as they are
 * written (`JSON.rawJSON`, in Node since 21). Looking at every number costs five times the plain
 * parse, so only texts that can hold such a number are looked at.
 */

/** Not yet in TypeScript's library. */
interface ExactJson {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): { readonly rawJSON: string };
  isRawJSON(value: unknown): value is { readonly rawJSON: string };
}
const json = JSON as unknown as ExactJson;

/** 16 digits in a row, or an exponent; also matches inside texts, which costs only time. */
const suspicious = /\d{16}|\d[eE]|\d\.\d{15}/;

/** A number that is not kept by a JavaScript number comes back as an opaque object. */
export function parseExactly(text: string): unknown {
  if (!suspicious.test(text)) return JSON.parse(text);
  return json.parse(text, (_, value, { source }) => {
    if (typeof value !== 'number' || source === undefined) return value;
    const kept = Number.isSafeInteger(value) || String(value) === source;
    return kept ? value : json.rawJSON(source);
  });
}

/** A plain number again, for fields that are no payload. */
export function roundNumber(value: unknown): unknown {
  return json.isRawJSON(value) ? Number(value.rawJSON) : value;
}
