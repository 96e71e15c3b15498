/** How the command line speaks: results on stdout, everything else on stderr. */
import { OutboxRelayError } from '../core/errors.ts';

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** The error as people read it: code, message, hint, and what caused it. */
export function describeError(error: unknown): string {
  if (!(error instanceof OutboxRelayError)) {
    return `UNEXPECTED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
  const { cause } = error;
  const reason = cause instanceof Error ? `\n  cause: ${cause.message}` : '';
  return `${error.code}: ${error.message}\n  hint: ${error.hint}${reason}`;
}

/** The error as `--json` prints it, one line on stderr. */
export function errorJson(error: unknown): string {
  const known = error instanceof OutboxRelayError ? error : null;
  return JSON.stringify({
    error: {
      code: known?.code ?? 'UNEXPECTED',
      message: error instanceof Error ? error.message : String(error),
      hint: known?.hint ?? null,
      details: known?.details ?? {},
    },
  });
}
