/**
 * A service in a container on fixed ports of this machine, so that it keeps its address when it is
 * killed and started. The one importer of testcontainers, which is optional: it is loaded when the
 * first container is started, and no type of it is public.
 */
import type {
  ContainerRuntimeClient,
  GenericContainer,
  StartedTestContainer,
} from 'testcontainers';
import { TestcontainersMissingError } from '../core/testing-errors.ts';
import { until } from './until.ts';

/** How a container is started. */
export interface ContainerOptions {
  readonly image: string;
  /** The same inside and outside; the first one is the service's. */
  readonly ports: readonly [number, ...number[]];
  /** Variables of its environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Default: the image's own. */
  readonly command?: readonly string[];
  /** Default: the image's own. */
  readonly entrypoint?: readonly string[];
  /** Name or number. Default: the image's own. */
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
  readonly networkOf?: ServiceContainer;
  /** Resolves with whether the service answers; asked again and again, for 100 s. */
  readonly isReady: () => Promise<boolean>;
}

type Testcontainers = typeof import('testcontainers');
type Runtime = ReturnType<ContainerRuntimeClient['container']['getById']>;

/** A JVM on a busy machine takes half a minute. */
const startTimeoutMs = 100_000;
/** A broker that is asked to stop moves its leaders first. */
const stopTimeoutSeconds = 30;

/** Says which container of a session it is. */
const ownLabel = 'org.outbox-relay.container';

/** By this label a test run finds what it has left behind. */
export const sessionLabels = () => ({
  'org.outbox-relay.session': process.env['OUTBOX_RELAY_TEST_SESSION'] ?? 'manual',
});

/** Where published ports are reached: 127.0.0.1, or the host of a Docker engine elsewhere. */
export async function containerHost(): Promise<string> {
  const { getContainerRuntimeClient } = await loadTestcontainers();
  const { host } = (await getContainerRuntimeClient()).info.containerRuntime;
  // Ports are published for IPv4; Node may take the name for ::1.
  return host === 'localhost' ? '127.0.0.1' : host;
}

/** A container of this process's own, running or not. Removed by `remove`. */
export class ServiceContainer {
  /** The service's, the same inside and outside. */
  readonly port: number;
  readonly #started: StartedTestContainer;
  readonly #runtime: Runtime;
  readonly #isReady: () => Promise<boolean>;

  private constructor(
    started: StartedTestContainer,
    runtime: Runtime,
    { ports, isReady }: ContainerOptions,
  ) {
    this.#started = started;
    this.#runtime = runtime;
    this.port = ports[0];
    this.#isReady = isReady;
  }

  /**
   * Resolves when the service answers.
   * @throws (rejects with) TESTCONTAINERS_MISSING; TEST_TIMEOUT; what Docker refuses
   * @internal
   */
  static async start(options: ContainerOptions): Promise<ServiceContainer> {
    const testcontainers = await loadTestcontainers();
    const { container } = await testcontainers.getContainerRuntimeClient();
    const label = crypto.randomUUID();
    const started = await startOrRemove(define(testcontainers, options), { container, label });
    const service = new ServiceContainer(started, container.getById(started.getId()), options);
    try {
      await service.ready();
      return service;
    } catch (error) {
      await service.remove();
      throw error;
    }
  }

  /** Of Docker. */
  get id(): string {
    return this.#started.getId();
  }

  /** Resolves when the service answers. */
  async ready(): Promise<void> {
    const options = { timeoutMs: startTimeoutMs, everyMs: 50 };
    await until('the service answers', this.#isReady, options);
  }

  /** SIGKILL; the container and its data stay. */
  async kill(): Promise<void> {
    await this.#runtime.kill({ signal: 'SIGKILL' });
  }

  /** SIGTERM, and after 30 s SIGKILL; the container and its data stay. */
  async stop(): Promise<void> {
    await this.#runtime.stop({ t: stopTimeoutSeconds });
  }

  /** Starts a killed or stopped one again, on the same port. Does not wait until it answers. */
  async start(): Promise<void> {
    await this.#runtime.start();
  }

  /** Freezes every process; connections stay open and are not answered. */
  async pause(): Promise<void> {
    await until('the container is frozen', () => this.#tryPause());
  }

  /** The runtime gives up on processes that are just starting others, and lets them go on. */
  async #tryPause(): Promise<boolean> {
    try {
      await this.#runtime.pause();
      return true;
    } catch (error) {
      if (/unable to freeze/.test(String(error))) return false;
      throw error;
    }
  }

  /** Lets it go on. */
  async unpause(): Promise<void> {
    await this.#runtime.unpause();
  }

  /** Whatever was done to it: it runs when this resolves, and may not answer yet. */
  async bringBack(): Promise<void> {
    const { State } = await this.#runtime.inspect();
    if (State.Paused) await this.unpause();
    else if (!State.Running) await this.start();
  }

  /**
   * Runs a command inside; resolves with what it has printed.
   * @throws (rejects with) an Error with its output when it fails
   */
  async exec(...command: string[]): Promise<string> {
    const { exitCode, output, stdout } = await this.#started.exec(command);
    if (exitCode !== 0) throw new Error(`${command.join(' ')}: exit code ${exitCode}: ${output}`);
    return stdout;
  }

  /** Ends it, running or not, and deletes its data. One that is gone is fine. */
  async remove(): Promise<void> {
    try {
      await this.#runtime.remove({ force: true, v: true });
    } catch (error) {
      if ((error as { statusCode?: number }).statusCode !== 404) throw error;
    }
  }
}

/** One that does not come up in time is left behind by testcontainers. */
async function startOrRemove(
  defined: GenericContainer,
  { container, label }: { container: ContainerRuntimeClient['container']; label: string },
): Promise<StartedTestContainer> {
  try {
    return await defined.withLabels({ ...sessionLabels(), [ownLabel]: label }).start();
  } catch (error) {
    const left = await container.fetchByLabel(ownLabel, label);
    await left?.remove({ force: true, v: true });
    throw error;
  }
}

async function loadTestcontainers(): Promise<Testcontainers> {
  try {
    return await import('testcontainers');
  } catch (cause) {
    const message = 'a container needs the package `testcontainers`, which does not load';
    throw new TestcontainersMissingError(message, { cause });
  }
}

function define(testcontainers: Testcontainers, options: ContainerOptions): GenericContainer {
  const { image, environment = {}, command = [], files = {}, hostNames = [] } = options;
  const contents = Object.entries(files).map(([target, content]) => ({ target, content }));
  const generic = new testcontainers.GenericContainer(image)
    .withEnvironment({ ...environment })
    .withCopyContentToContainer(contents.map((file) => ({ ...file, mode: 0o644 })))
    .withExtraHosts(hostNames.map((host) => ({ host, ipAddress: 'host-gateway' })))
    .withAutoRemove(false)
    .withStartupTimeout(startTimeoutMs);
  if (command.length > 0) generic.withCommand([...command]);
  if (options.entrypoint !== undefined) generic.withEntrypoint([...options.entrypoint]);
  if (options.user !== undefined) generic.withUser(options.user);
  const mounts = options.mounts ?? [];
  generic.withBindMounts(
    mounts.map(({ path, isReadOnly }) => {
      return { source: path, target: path, mode: isReadOnly ? 'ro' : 'rw' };
    }),
  );
  publishPorts(testcontainers, generic, options);
  return generic;
}

function publishPorts(
  { Wait }: Testcontainers,
  generic: GenericContainer,
  { ports, portsOfOthers = [], networkOf }: ContainerOptions,
): void {
  const published = [...ports, ...portsOfOthers].map((port) => ({ container: port, host: port }));
  if (networkOf === undefined) generic.withExposedPorts(...published);
  else generic.withNetworkMode(`container:${networkOf.id}`);
  const shares = networkOf !== undefined || portsOfOthers.length > 0;
  // Ports of two containers are not listened on when the first one has started: isReady decides.
  generic.withWaitStrategy(shares ? Wait.forSuccessfulCommand('true') : Wait.forListeningPorts());
}
