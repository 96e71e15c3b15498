/** Where a test runs: some of what is tested differs between systems, or is not there. */
export const onLinux = process.platform === 'linux';
/** No links without a privilege, no named pipes as files, no SIGINT or SIGTERM for others. */
export const onWindows = process.platform === 'win32';
