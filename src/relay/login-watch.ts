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

interface Reason {
  readonly code: string;
  readonly message: string;
}

const isReason = (cause: unknown): cause is Reason =>
  typeof (cause as Partial<Reason> | null)?.code === 'string';

export function watchLogins(emitter: RelayEmitter, clock: Clock): void {
  let told: { readonly code: string; readonly atMs: number } | null = null;
  const tell = ({ code, message }: Reason, cause: unknown) => {
    const hint = loginHint(code);
    if (hint === null) return;
    const now = clock.monotonic();
    if (told?.code === code && now - told.atMs < repeatMs) return;
    told = { code, atMs: now };
    emitter.emit('loginFailed', { code, message, hint, cause });
  };
  emitter.on('laneFailed', ({ failure, cause }) => tell(failure, cause));
  const forget = () => {
    told = null;
  };
  emitter.on('delivered', forget);
  // Also of a relay that has nothing to send: somebody has asked whether Kafka answers.
  emitter.on('circuit', ({ state, cause }) => {
    if (state === 'closed') forget();
    else if (isReason(cause)) tell(cause, cause);
  });
}
