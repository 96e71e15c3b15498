import { describe, expect, it } from 'vitest';
import {
  compareVersions,
  imageName,
  installPolicy,
  mergeEnv,
  nodeIsRecent,
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

describe('image names', () => {
  it('come from the environment, else from last time while there, else are looked for', () => {
    expect(imageName({ wanted: 'given', recorded: 'known' })).toBe('given');
    expect(imageName({ wanted: '', recorded: 'known' })).toBe('known');
    expect(imageName({ wanted: undefined, recorded: undefined })).toBeNull();
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
