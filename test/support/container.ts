/** A container on a fixed host port, so that it keeps its address when it is killed and started. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ServiceContainer } from '../../src/testing/container.ts';

export { ServiceContainer as Container };

/** What it has printed since it was made, by line. */
export async function linesOf(container: ServiceContainer): Promise<string[]> {
  const { stdout } = await promisify(execFile)('docker', ['logs', container.id]);
  return stdout.split('\n');
}

/** Whether what it was started for has not ended. */
export async function isRunning({ id }: ServiceContainer): Promise<boolean> {
  const args = ['inspect', '--format', '{{.State.Running}}', id];
  const { stdout } = await promisify(execFile)('docker', args);
  return stdout.trim() === 'true';
}

/** Copies a file of it to this machine. */
export async function copyOut(
  container: ServiceContainer,
  from: string,
  to: string,
): Promise<void> {
  await promisify(execFile)('docker', ['cp', `${container.id}:${from}`, to]);
}
