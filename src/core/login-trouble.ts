/**
 * Why a broker does not let the relay in: codes of failures, and what an operator can do about
 * each. All of them are outages: nothing is wrong with an event, and nothing is lost.
 *
 * Every driver uses these codes, so that logs, `status` and alarms do not depend on the client.
 */

/** Code to hint; docs/errors.md has both, checked by test/tidy. */
export const loginTroubles = Object.freeze({
  LOGIN_FAILED: 'Check the user and its password, token or ticket, and what the broker logs.',
  MECHANISM_NOT_OFFERED: 'Set `kafka.sasl.mechanism` to one that this listener of the broker has.',
  MECHANISM_UNAVAILABLE: 'This installation cannot log in with the mechanism; see the message.',
  SECRET_UNREADABLE: 'Let the user of the relay read the file; it is read again at the next try.',
  TLS_FILE_INVALID: 'Check that CA, certificate and key are PEM and that key and password fit.',
  TLS_UNTRUSTED: 'Set `kafka.ssl.caFile` to the authority that signed the broker’s certificate.',
  TLS_EXPIRED: 'Renew the broker’s certificate, or set the clock of this host.',
  TLS_WRONG_HOST: 'Use a host name that the broker’s certificate has, or renew the certificate.',
  TLS_CLIENT_REFUSED: 'Set `kafka.ssl.certFile` and `keyFile` to a pair that the broker trusts.',
  TOKEN_UNAVAILABLE: 'Check the token endpoint, file or callback; it is asked at each login.',
} as const);

export type LoginTrouble = keyof typeof loginTroubles;

/** What to do about a failure with this code; `null` when it is no trouble with logging in. */
export function loginHint(code: string): string | null {
  return Object.hasOwn(loginTroubles, code) ? loginTroubles[code as LoginTrouble] : null;
}
