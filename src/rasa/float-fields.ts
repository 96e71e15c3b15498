/**
 * The fields of Rasa's events that Python holds as floats, so that `1` there is written as `1.0`.
 * docs/rasa.md has the same list, checked by a test.
 */
import type { Path } from './python-json.ts';

/** Of the event itself. */
export const eventFloats: readonly string[] = ['timestamp', 'confidence'];

/** At any depth below `parse_data` and `entities`, where the NLU pipeline writes. */
export const parseFloats: readonly string[] = [
  'confidence',
  'confidence_entity',
  'confidence_role',
  'confidence_group',
  'score',
];

/** Below these somebody else has written, and a name says nothing. */
export const opaqueFields: readonly string[] = ['metadata', 'value', 'additional_info'];

/** Whether Rasa holds the number at this path of an event as a float. */
export function isRasaFloat(path: Path): boolean {
  const [first] = path;
  const last = path.at(-1);
  if (typeof first !== 'string' || typeof last !== 'string') return false;
  if (path.length === 1) return eventFloats.includes(last);
  if (first !== 'parse_data' && first !== 'entities') return false;
  if (path.some((step) => opaqueFields.includes(String(step)))) return false;
  return parseFloats.includes(last);
}
