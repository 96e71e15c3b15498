/**
 * Secrets and key files, read anew whenever they are needed: what is corrected or rotated on disk
 * is used by the next connection. The files are small; reading them blocks for microseconds.
 */
import { readFileSync } from 'node:fs';
import { LoginFault } from './login-fault.ts';
import type { Secret } from './security.ts';

/**
 * @param what names it in the message, e.g. `kafka.sasl.passwordFile`
 * @throws SECRET_UNREADABLE
 */
export function readSecret(secret: Secret, what: string): string {
  if ('value' in secret) return secret.value;
  const text = readBytes(secret.file, what)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (text !== '') return text;
  throw new LoginFault('SECRET_UNREADABLE', `${what}: ${secret.file} is empty`);
}

/** @throws SECRET_UNREADABLE */
export function readBytes(file: string, what: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new LoginFault('SECRET_UNREADABLE', `${what}: ${(error as Error).message}`);
  }
}
