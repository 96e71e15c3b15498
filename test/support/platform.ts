/** Where a test runs: some of what is tested differs between systems, or is not there. */
export const onLinux = process.platform === 'linux';
/** No links without a privilege, no named pipes as files, no SIGINT or SIGTERM for others. */
export const onWindows = process.platform === 'win32';

/** Whether there is a power to cut: the library that is preloaded knows Linux alone. */
export function hasPowerRig(): boolean {
  if (!onLinux) process.stdout.write(`left out on ${process.platform}: power cuts need Linux\n`);
  return onLinux;
}
