/** Thrown inside a driver when it cannot log in; `classify` makes an outage of it. */
import type { LoginTrouble } from '../core/login-trouble.ts';

/**
 * It has no `cause`: kafkajs wraps an error as `{ cause: error.cause || error }`, so that an
 * error with a cause is lost. The message says it all, without a secret.
 */
export class LoginFault extends Error {
  override readonly name = 'LoginFault';
  readonly code: LoginTrouble;
  /** Read by kafkajs: the relay makes the next try. */
  readonly retriable = false;

  constructor(code: LoginTrouble, message: string) {
    super(message);
    this.code = code;
  }
}
