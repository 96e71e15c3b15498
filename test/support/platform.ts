/** Where a test runs: some of what is tested differs between systems, or is not there. */
import { spawnSync } from 'node:child_process';

export const onLinux = process.platform === 'linux';
/** No links without a privilege, no named pipes as files, no SIGINT or SIGTERM for others. */
export const onWindows = process.platform === 'win32';

/** Whether there is a power to cut: the library that is preloaded is compiled, and for Linux. */
export function hasPowerRig(): boolean {
  const isThere = onLinux && spawnSync('cc', ['--version']).status === 0;
  const where = `${process.platform}: power cuts need Linux and a C compiler as cc`;
  if (!isThere) process.stdout.write(`left out on ${where}\n`);
  return isThere;
}
