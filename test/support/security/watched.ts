/** A relay that is kept out at first: what it says about it, and that nothing is lost by it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { expect } from 'vitest';
import { loginHint } from '../../../src/core/login-trouble.ts';
import type { Relay, RelayHooks, RelayLogger, RelayOptions } from '../../../src/index.ts';
import { allDelivered, Scene } from '../scene.ts';
import { until } from '../wait.ts';
import type { SecureBrokers } from './brokers.ts';

/** One way to a broker. */
export interface Way {
  /** `localhost:port` of a listener. */
  readonly at: string;
  readonly kafka?: RelayOptions['kafka'];
  readonly fetchKafkaToken?: NonNullable<RelayHooks['fetchKafkaToken']>;
}

export interface Trouble {
  /** Code of the failure that the relay must tell. */
  readonly code: string;
  /** Done between creation and start, e.g. taking away a file that was there for the check. */
  readonly before?: () => void;
  /** Puts it right under the running relay; or gives the way on which another one comes in. */
  readonly mend: (() => unknown) | Way;
  /** Texts that must be nowhere in what the relay says. */
  readonly secrets?: readonly string[];
}

const count = 10;

/** A scene of one lane and a relay that is listened to with every ear. */
export class Watched {
  readonly scene = new Scene(1);
  readonly told: { readonly code: string; readonly hint: string }[] = [];
  readonly #said: string[] = [];

  readonly #keep = (...given: unknown[]) => {
    this.#said.push(inspect(given, { depth: 12, maxStringLength: null, maxArrayLength: null }));
  };

  relay({ at, kafka, fetchKafkaToken }: Way): Relay {
    const keep = this.#keep;
    const logger: RelayLogger = { debug: keep, info: keep, warn: keep, error: keep };
    const retry = { delayMs: 100 };
    const options = { ...(kafka === undefined ? {} : { kafka }), retry, pollMs: 20, logger };
    const hooks = fetchKafkaToken === undefined ? {} : { fetchKafkaToken };
    const relay = this.scene.relay(at, options, hooks);
    relay.on('loginFailed', (event) => {
      this.told.push(event);
      keep(event);
    });
    relay.on('laneFailed', keep);
    relay.on('circuit', keep);
    relay.on('warning', keep);
    return relay;
  }

  /** In what was logged, emitted and stored. */
  expectUnsaid(secrets: readonly string[]): void {
    const { folder } = this.scene;
    const files = readdirSync(folder).filter((name) => name.startsWith('outbox.db'));
    const stored = files.map((name) => readFileSync(join(folder, name), 'latin1'));
    const all = [...this.#said, ...stored].join('\n');
    for (const secret of secrets) expect(all).not.toContain(secret);
  }
}

/** Failed tries that cost nothing. */
export const outagesOf = (relay: Relay) => relay.metrics().failuresTotal['outage'] ?? 0;

/** The relay comes in at once and delivers, as a consumer over PLAINTEXT counts. */
export async function delivers(brokers: SecureBrokers, way: Way): Promise<void> {
  const watched = new Watched();
  try {
    watched.scene.enqueue(count);
    const relay = watched.relay(way);
    await relay.start();
    await watched.scene.drained(relay);
    expect(await watched.scene.account(brokers.kafka)).toMatchObject(allDelivered);
    expect(watched.told).toEqual([]);
  } finally {
    await watched.scene.close();
  }
}

/**
 * The relay is kept out, tells it once under its code and without a secret, spends nothing, and
 * delivers everything when it is mended.
 */
export async function isKeptOut(brokers: SecureBrokers, way: Way, trouble: Trouble) {
  const { code, before, mend, secrets = [] } = trouble;
  const watched = new Watched();
  const { scene, told } = watched;
  try {
    scene.enqueue(count);
    const relay = watched.relay(way);
    before?.();
    await relay.start();
    await until(`${code} twice`, () => {
      expect(told.filter((event) => event.code !== code)).toEqual([]);
      return relay.metrics().loginFailuresTotal >= 2;
    });
    const hint = loginHint(code);
    expect(told).toEqual([expect.objectContaining({ code, hint })]);
    const { pending, held } = relay.status();
    expect({ pending, held }).toEqual({ pending: count, held: 0 });
    // A broker that refuses a certificate says so and hangs up, and the second can overtake.
    const failure = () => relay.status().lanes[0]?.failure;
    await until('it is the lane’s failure', () => failure()?.code === code);
    expect(failure()).toMatchObject({ kind: 'outage' });
    expect(Object.keys(relay.metrics().failuresTotal)).toEqual(['outage']);
    let next = relay;
    if (typeof mend === 'function') await mend();
    else {
      await relay.stop();
      next = watched.relay(mend);
      await next.start();
    }
    await scene.drained(next);
    expect(await scene.account(brokers.kafka)).toMatchObject(allDelivered);
    expect(next.status().lanes[0]?.failure).toBeNull();
    watched.expectUnsaid(secrets);
  } finally {
    await scene.close();
  }
}
