// A Docker engine: the one that is there; else Debian's, installed and started.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { canInstallPackages, installPackages } from './packages.mjs';
import { has, run, succeeds } from './process.mjs';

const startMs = 60_000;

export const engine = {
  name: 'Docker engine',
  missing:
    'a running Docker engine (`docker info` must answer) ' +
    'with Compose (`docker compose` or `docker-compose`)',

  async find() {
    const [version, compose] = await Promise.all([engineVersion(), hasCompose()]);
    // Compose is needed where Debian's engine is used; elsewhere people have their own.
    if (version === null || (!compose && canInstallPackages())) return null;
    return { note: version };
  },

  /** System packages this step would install. */
  async packages() {
    if (!canInstallPackages()) return [];
    const wanted = [];
    const running = (await engineVersion()) !== null;
    if (!running && !(await has('dockerd'))) wanted.push('docker.io', 'iptables');
    else if (!running && !(await has('iptables'))) wanted.push('iptables');
    if (!(await hasCompose())) wanted.push('docker-compose');
    return wanted;
  },

  async install({ root, note }) {
    if ((await engineVersion()) !== null && !canInstallPackages()) return;
    if (!canInstallPackages()) {
      throw new Error(
        'No Docker engine answers. Start Docker (or set DOCKER_HOST) and run this again; ' +
          'it is installed by itself on Debian as root only.',
      );
    }
    const packages = await engine.packages();
    if (packages.length > 0) await installPackages(packages, note);
    if ((await engineVersion()) === null) await startDaemon(root, note);
  },
};

async function engineVersion() {
  try {
    const version = await run('docker', ['version', '--format', '{{.Server.Version}}']);
    return version.trim() || null;
  } catch {
    return null; // not installed or not answering: the same to us, it has to be started
  }
}

async function hasCompose() {
  return (await succeeds('docker', ['compose', 'version'])) || (await has('docker-compose'));
}

async function startDaemon(root, note) {
  note('starting dockerd');
  const folder = join(root, '.images');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'dockerd.log');
  const log = openSync(file, 'a');
  // Detached, its output in a file: it outlives this script and holds none of its pipes.
  const daemon = spawn('dockerd', [], { detached: true, stdio: ['ignore', log, log] });
  daemon.unref();
  const ended = new Promise((resolve) => daemon.once('exit', () => resolve('ended')));
  const deadline = Date.now() + startMs;
  while (Date.now() < deadline) {
    if ((await engineVersion()) !== null) return;
    const pause = new Promise((resolve) => setTimeout(resolve, 200));
    if ((await Promise.race([ended, pause])) === 'ended') break;
  }
  const hint = existsSync(file) ? ` Its log: ${file}` : '';
  throw new Error(`dockerd was started and does not answer.${hint}`);
}
