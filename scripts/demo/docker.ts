/**
 * The few verbs of the `docker` command line that the demo needs. Containers carry a label, so
 * that a leftover can be told from anybody else's.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const label = 'org.outbox-relay.session';

export interface ContainerSpec {
  readonly name: string;
  readonly image: string;
  /** Published on 127.0.0.1 under the same number, so that the address outlives a restart. */
  readonly port: number;
  readonly containerPort: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Command and arguments; empty for the image's own. */
  readonly command: readonly string[];
}

/** Starts a container and returns its name. Rejects with docker's own words. */
export async function runContainer(spec: ContainerSpec): Promise<string> {
  const session = process.env['OUTBOX_RELAY_TEST_SESSION'] ?? 'demo';
  const environment = Object.entries(spec.environment).flatMap(([name, value]) => [
    '--env',
    `${name}=${value}`,
  ]);
  const publish = `127.0.0.1:${spec.port}:${spec.containerPort}`;
  const identity = ['--name', spec.name, '--label', `${label}=${session}`];
  await docker(
    [
      'run',
      '--detach',
      '--pull',
      'never',
      ...identity,
      '--publish',
      publish,
      ...environment,
    ].concat(spec.image, spec.command),
  );
  return spec.name;
}

/** SIGKILL: what a crash or the out-of-memory killer does. */
export function killContainer(name: string): Promise<void> {
  return docker(['kill', '--signal', 'KILL', name]);
}

export function startContainer(name: string): Promise<void> {
  return docker(['start', name]);
}

/** Removes a container and its anonymous volumes, running or not; one that is gone is fine. */
export async function removeContainer(name: string): Promise<void> {
  try {
    await docker(['rm', '--force', '--volumes', name]);
  } catch (error) {
    if (!(error instanceof Error && /no such container/i.test(error.message))) throw error;
  }
}

/** The last lines a container wrote, for the error message of one that did not come up. */
export async function logsOf(name: string): Promise<string> {
  const { stdout, stderr } = await execute('docker', ['logs', '--tail', '20', name]);
  return `${stdout}${stderr}`.trim();
}

async function docker(args: readonly string[]): Promise<void> {
  try {
    await execute('docker', [...args], { timeout: 60_000 });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new Error(`docker ${args[0]}: ${stderr?.trim() || message}`, { cause: error });
  }
}
