/**
 * The `event_broker:` of an endpoints.yml. `${NAME}` stands for an environment variable, as in
 * Rasa; only this part of the file is looked at, so that a relay needs none of Rasa's other
 * secrets.
 */
import { readOptionsFile } from '../config/load.ts';
import { ConfigInvalidError } from '../core/errors.ts';

/** The `event_broker:` part of an endpoints.yml, as it stands there. */
export type EventBrokerConfig = Readonly<Record<string, unknown>>;
type Env = Readonly<Record<string, string | undefined>>;

/** Of examples/rasa: the broker of a Rasa that stays in Python, whose relay is ours. */
const bridge = /(^|\.)OutboxEventBroker$/;

/**
 * `null` when the file names no event broker.
 * @throws CONFIG_INVALID when the file cannot be read, a variable is not set, or the type is none
 *   of ours
 */
export function readEndpoints(file: string, env: Env): EventBrokerConfig | null {
  const config = readOptionsFile(file)['event_broker'] ?? null;
  if (config === null) return null;
  const place = `${file}: event_broker`;
  if (typeof config !== 'object' || Array.isArray(config)) {
    throw new ConfigInvalidError(`${place}: must hold options by name`);
  }
  const expanded = expand(config, place, env) as EventBrokerConfig;
  if (expanded['type'] === undefined || expanded['type'] === null) {
    throw new ConfigInvalidError(`${place}.type: must be kafka; Rasa takes a missing one for pika`);
  }
  checkType(expanded, place);
  return expanded;
}

/** @throws CONFIG_INVALID when a type is given and is none of ours */
export function checkType({ type }: EventBrokerConfig, place = 'type'): void {
  if (type === undefined || type === null) return;
  if (typeof type === 'string' && (type.toLowerCase() === 'kafka' || bridge.test(type))) return;
  const name = place === 'type' ? place : `${place}.type`;
  throw new ConfigInvalidError(`${name}: must be kafka, not ${JSON.stringify(type)}`);
}

function expand(value: unknown, place: string, env: Env): unknown {
  if (Array.isArray(value)) return value.map((one, index) => expand(one, `${place}.${index}`, env));
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    return Object.fromEntries(
      entries.map(([name, one]) => [name, expand(one, `${place}.${name}`, env)]),
    );
  }
  if (typeof value !== 'string') return value;
  return value.replace(/\$\{([^}]*)\}/g, (_, name: string) => {
    const set = env[name];
    if (set !== undefined) return set;
    throw new ConfigInvalidError(`${place}: the environment variable ${name} is not set`);
  });
}
