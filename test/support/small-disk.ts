/** A disk that is really small: a tmpfs, mounted for one child alone, so that nothing is left. */
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { root } from './child.ts';
import { redisImage, sessionLabels } from './images.ts';

export interface DiskJob {
  /** An empty folder: where the child sees the disk. */
  readonly folder: string;
  readonly mebibytes: number;
  /** A TypeScript file of this repository; its arguments are the folder and `args`. */
  readonly file: string;
  readonly args: readonly string[];
}

/** Runs the child and gives what it has printed, parsed. @throws what it says when it fails */
export function onSmallDisk(job: DiskJob): unknown {
  const { folder, mebibytes, file, args } = job;
  const child = [process.execPath, `${root}${file}`, folder, ...args];
  const mount = `mount -t tmpfs -o size=${mebibytes}m none "$0" && exec "$@"`;
  const [command = '', ...rest] = mayMount()
    ? [...unshare, 'sh', '-c', mount, folder, ...child]
    : [...docker(job), ...child];
  const { status, stdout, stderr } = spawnSync(command, rest, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`it ended with ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
const unshare = ['unshare', '--mount', ...asRoot];

/** Some systems keep namespaces from users: there a container has the disk. */
function mayMount(): boolean {
  const [command = '', ...args] = [...unshare, 'true'];
  return spawnSync(command, args).status === 0;
}

/** Any image with a C library that this Node runs on; the repository is seen as it is here. */
function docker({ folder, mebibytes }: DiskJob): string[] {
  const labels = Object.entries(sessionLabels()).flatMap(([k, v]) => ['--label', `${k}=${v}`]);
  const seen = [root, dirname(process.execPath)].flatMap((at) => ['--volume', `${at}:${at}:ro`]);
  const disk = ['--tmpfs', `${folder}:size=${mebibytes}m`, '--entrypoint', ''];
  return ['docker', 'run', '--rm', ...labels, ...seen, ...disk, redisImage()];
}
