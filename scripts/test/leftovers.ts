/** What a test run leaves in Docker: nothing, or the run has failed. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const docker = async (...args: string[]): Promise<string[]> => {
  const { stdout } = await promisify(execFile)('docker', args);
  return stdout.split('\n').filter((line) => line !== '');
};

/** Containers with the label of this run, as `container ID`. Empty where there is no Docker. */
export async function leftovers(session: string): Promise<string[]> {
  const filter = `label=org.outbox-relay.session=${session}`;
  try {
    const containers = await docker('ps', '--all', '--quiet', '--filter', filter);
    return containers.map((id) => `container ${id}`);
  } catch {
    return []; // no Docker: nothing can have been started in it
  }
}

export async function removeLeftovers(left: readonly string[]): Promise<void> {
  for (const one of left) await docker('rm', '--force', '--volumes', one.split(' ')[1] ?? '');
}
