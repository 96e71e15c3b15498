/**
 * Tells when Kafka does not let the relay in, once per reason and then once a minute at most.
 *
 * Such a failure waits like an outage, but does not pass by itself: somebody has to mend a
 * password or a certificate, and has to hear of it although every lane fails every few seconds.
 */
import type { Clock } from '../core/clock.ts';
import { loginHint } from '../core/login-trouble.ts';
import type { RelayEmitter } from './events.ts';

const repeatMs = 60_000;

export function watchLogins(emitter: RelayEmitter, clock: Clock): void {
  let told: { readonly code: string; readonly atMs: number } | null = null;
  emitter.on('laneFailed', ({ failure, cause }) => {
    const { code, message } = failure;
    const hint = loginHint(code);
    if (hint === null) return;
    const now = clock.monotonic();
    if (told?.code === code && now - told.atMs < repeatMs) return;
    told = { code, atMs: now };
    emitter.emit('loginFailed', { code, message, hint, cause });
  });
  const forget = () => {
    told = null;
  };
  emitter.on('delivered', forget);
  emitter.on('circuit', ({ state }) => {
    if (state === 'closed') forget();
  });
}
