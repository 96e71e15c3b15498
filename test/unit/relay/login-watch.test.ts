/** A failed login is told once per reason and then once a minute, and counted every time. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createRelayEmitter,
  type RelayEmitter,
  type RelayEvents,
} from '../../../src/relay/events.ts';
import { watchLogins } from '../../../src/relay/login-watch.ts';
import { logEvents } from '../../../src/telemetry/log.ts';
import { countEvents, type RelayMetrics } from '../../../src/telemetry/metrics.ts';
import { FakeClock } from '../../support/clock.ts';

let emitter: RelayEmitter;
let clock: FakeClock;
let told: RelayEvents['loginFailed'][0][];
let metrics: () => RelayMetrics;

beforeEach(() => {
  emitter = createRelayEmitter();
  clock = new FakeClock();
  told = [];
  metrics = countEvents(emitter);
  watchLogins(emitter, clock);
  emitter.on('loginFailed', (event) => told.push(event));
});

function fail(code: string, kind = 'outage'): void {
  const failure = { kind, code, message: `${code} it is`, topic: null, seq: null, atMs: 0 };
  emitter.emit('laneFailed', { lane: 0, failure, cause: null });
}

describe('a failed login', () => {
  it('is told with what to do, once', () => {
    for (let lane = 0; lane < 8; lane += 1) fail('LOGIN_FAILED');
    expect(told).toEqual([
      {
        code: 'LOGIN_FAILED',
        message: 'LOGIN_FAILED it is',
        hint: expect.stringContaining('password'),
        cause: null,
      },
    ]);
  });

  it('is told of a relay that has nothing to send, by who asked whether Kafka answers', () => {
    const cause = { code: 'LOGIN_FAILED', message: 'no' };
    emitter.emit('circuit', { state: 'open', cause });
    emitter.emit('circuit', { state: 'open', cause: { code: 'ECONNREFUSED', message: 'no' } });
    expect(told.map(({ code }) => code)).toEqual(['LOGIN_FAILED']);
  });

  it('is told again when the reason is another one, and after a minute', async () => {
    fail('LOGIN_FAILED');
    fail('TLS_EXPIRED');
    await clock.advance(59_999);
    fail('TLS_EXPIRED');
    expect(told.map(({ code }) => code)).toEqual(['LOGIN_FAILED', 'TLS_EXPIRED']);
    await clock.advance(1);
    fail('TLS_EXPIRED');
    expect(told).toHaveLength(3);
  });

  it.each(['delivered', 'circuit'] as const)('is told again after %s', (name) => {
    fail('LOGIN_FAILED');
    if (name === 'circuit') emitter.emit('circuit', { state: 'closed', cause: null });
    else emitter.emit('delivered', { lane: 0, count: 1, cursor: 1, via: 'job' });
    fail('LOGIN_FAILED');
    expect(told).toHaveLength(2);
  });

  it('is no outage of another kind', () => {
    fail('ECONNREFUSED');
    fail('constructor');
    expect(told).toEqual([]);
    expect(metrics()).toMatchObject({ failuresTotal: { outage: 2 }, loginFailuresTotal: 0 });
  });

  it('is logged as an error', () => {
    const lines: [string, object, string][] = [];
    const line = (level: string) => (facts: object, text: string) => {
      lines.push([level, facts, text]);
    };
    const levels = { debug: line('debug'), info: line('info'), warn: line('warn') };
    logEvents(emitter, { ...levels, error: line('error') });
    fail('TOKEN_UNAVAILABLE');
    const [, facts] = lines.find(([level]) => level === 'error') ?? [];
    const hint = expect.stringContaining('token endpoint');
    expect(facts).toEqual({ code: 'TOKEN_UNAVAILABLE', message: 'TOKEN_UNAVAILABLE it is', hint });
  });
});

const refused = { lane: 0, seq: 1, topic: 't', code: 'MESSAGE_TOO_LARGE', message: 'm' };

describe('the counts', () => {
  it('start at zero, and are the moment’s when they are read', () => {
    const before = metrics();
    fail('LOGIN_FAILED');
    fail('LOGIN_FAILED');
    fail('MESSAGE_TOO_LARGE', 'refused-record');
    emitter.emit('delivered', { lane: 0, count: 7, cursor: 7, via: 'job' });
    emitter.emit('circuit', { state: 'open', cause: null });
    emitter.emit('refused', { ...refused, attempts: 1, dead: false });
    emitter.emit('refused', { ...refused, attempts: 2, dead: true });
    const totals = { deliveredTotal: 0, loginFailuresTotal: 0, refusalsTotal: 0, deadTotal: 0 };
    const zero = { ...totals, failuresTotal: {}, circuitOpen: 0 };
    expect(before).toEqual(zero);
    expect(metrics()).toEqual({
      deliveredTotal: 7,
      failuresTotal: { outage: 2, 'refused-record': 1 },
      loginFailuresTotal: 2,
      refusalsTotal: 2,
      deadTotal: 1,
      circuitOpen: 1,
    });
    emitter.emit('circuit', { state: 'closed', cause: null });
    expect(metrics().circuitOpen).toBe(0);
  });
});
