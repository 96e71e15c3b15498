/**
 * The demo's input: real flights of the vega-datasets package, keyed by their airport of origin.
 *
 * Only the cuts of up to 20,000 flights carry the origin (`flights-200k.json` has delay, distance
 * and time alone), so a longer run goes through them again. The running number makes every value
 * unique, which lets the checker tell any two events apart by their bytes.
 */
import { readFileSync } from 'node:fs';

export interface Flight {
  readonly date: string;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

export interface FlightEvent {
  /** Airport of origin, the order key. */
  readonly key: string;
  /** JSON text of the flight with its running number, from 1. */
  readonly value: string;
}

const source = new URL('../../node_modules/vega-datasets/data/flights-20k.json', import.meta.url);

/** Reads the flights in the order of the file. Throws when the file is not as expected. */
export function readFlights(): Flight[] {
  const parsed: unknown = JSON.parse(readFileSync(source, 'utf8'));
  if (!Array.isArray(parsed) || parsed.length === 0) {
    throw new Error(`${source.pathname} holds no flights`);
  }
  for (const flight of parsed as Partial<Flight>[]) {
    if (typeof flight.origin !== 'string' || flight.origin === '') {
      throw new Error(`${source.pathname} holds a flight without an origin`);
    }
  }
  return parsed as Flight[];
}

/** The event with this running number (from 1); flights repeat after the last one. */
export function flightEvent(flights: readonly Flight[], number: number): FlightEvent {
  const flight = flights[(number - 1) % flights.length];
  if (flight === undefined) throw new RangeError(`no flight number ${number}`);
  return { key: flight.origin, value: JSON.stringify({ number, ...flight }) };
}
