/** A container on a fixed host port, so that it keeps its address when it is killed and started. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';
import { sessionLabels } from './images.ts';
import { until } from './wait.ts';

const run = promisify(execFile);
const docker = (...args: string[]) => run('docker', args);

export interface ContainerOptions {
  readonly image: string;
  /** The same inside and outside; the first one is the service's. */
  readonly ports: readonly [number, ...number[]];
  readonly environment?: Record<string, string>;
  readonly command?: string[];
  /** Default: the image's. */
  readonly entrypoint?: string[];
  /** Name or number. Default: the image's. */
  readonly user?: string;
  /** Folders of this machine, at the same path inside. */
  readonly mounts?: readonly { readonly path: string; readonly isReadOnly: boolean }[];
  /** Files that are there before it starts, by their path inside; readable by everybody in it. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Names under which it knows this machine. */
  readonly hostNames?: readonly string[];
  /** For a container that shares this one's network: published here, listened on there. */
  readonly portsOfOthers?: readonly number[];
  /** The one whose network it shares; that one publishes the ports of both. */
  readonly networkOf?: Container;
  /** Resolves when the service answers; asked again and again. */
  readonly isReady: () => Promise<boolean>;
}

export class Container {
  readonly port: number;
  readonly #started: StartedTestContainer;
  readonly #isReady: () => Promise<boolean>;

  private constructor(started: StartedTestContainer, options: ContainerOptions) {
    this.#started = started;
    this.port = options.ports[0];
    this.#isReady = options.isReady;
  }

  static async start(options: ContainerOptions): Promise<Container> {
    const { image, environment = {}, command = [], files = {}, hostNames = [] } = options;
    const contents = Object.entries(files).map(([target, content]) => ({ target, content }));
    const generic = new GenericContainer(image)
      .withEnvironment(environment)
      .withCopyContentToContainer(contents.map((file) => ({ ...file, mode: 0o644 })))
      .withExtraHosts(hostNames.map((host) => ({ host, ipAddress: 'host-gateway' })))
      .withLabels(sessionLabels())
      .withAutoRemove(false)
      .withStartupTimeout(60_000);
    const { entrypoint, user, mounts = [] } = options;
    if (entrypoint !== undefined) generic.withEntrypoint(entrypoint);
    if (user !== undefined) generic.withUser(user);
    generic.withBindMounts(
      mounts.map(({ path, isReadOnly }) => {
        return { source: path, target: path, mode: isReadOnly ? 'ro' : 'rw' };
      }),
    );
    publishPorts(generic, options);
    const started = await (command.length > 0 ? generic.withCommand(command) : generic).start();
    const container = new Container(started, options);
    try {
      await container.ready();
      return container;
    } catch (error) {
      await container.remove();
      throw error;
    }
  }

  get id(): string {
    return this.#started.getId();
  }

  async ready(): Promise<void> {
    await until('the service answers', this.#isReady, { timeoutMs: 60_000, everyMs: 50 });
  }

  /** SIGKILL; the container and its data stay. */
  async kill(): Promise<void> {
    await docker('kill', this.id);
  }

  /** SIGTERM, and SIGKILL to what has not ended after five seconds. */
  async stop(): Promise<void> {
    await docker('stop', '--time', '5', this.id);
  }

  /** Starts a killed one again, on the same port. Does not wait until it answers. */
  async start(): Promise<void> {
    await docker('start', this.id);
  }

  /** Freezes every process; connections stay open and are not answered. */
  async pause(): Promise<void> {
    await until('the container is frozen', () => this.#tryPause());
  }

  /** The runtime gives up on processes that are just starting others, and lets them go on. */
  async #tryPause(): Promise<boolean> {
    try {
      await docker('pause', this.id);
      return true;
    } catch (error) {
      if (/unable to freeze/.test(String(error))) return false;
      throw error;
    }
  }

  async unpause(): Promise<void> {
    await docker('unpause', this.id);
  }

  /** Runs a command inside; resolves with what it has printed. */
  async exec(...command: string[]): Promise<string> {
    return (await docker('exec', this.id, ...command)).stdout;
  }

  /** Copies a file of it to this machine. */
  async copyOut(from: string, to: string): Promise<void> {
    await docker('cp', `${this.id}:${from}`, to);
  }

  async remove(): Promise<void> {
    await docker('rm', '--force', '--volumes', this.id);
  }
}

function publishPorts(generic: GenericContainer, options: ContainerOptions): void {
  const { ports, portsOfOthers = [], networkOf } = options;
  const published = [...ports, ...portsOfOthers].map((port) => ({ container: port, host: port }));
  if (networkOf === undefined) generic.withExposedPorts(...published);
  else generic.withNetworkMode(`container:${networkOf.id}`);
  const shares = networkOf !== undefined || portsOfOthers.length > 0;
  // Ports of two containers are not listened on when the first one has started: isReady decides.
  generic.withWaitStrategy(shares ? Wait.forSuccessfulCommand('true') : Wait.forListeningPorts());
}
