/** A resolved configuration as options by name, without secrets: for people to look at. */
import type { BrokerSecurity, Login, Secret, Tls } from '../sink/security.ts';
import { maskSecrets } from './fault.ts';
import { optionsSchema } from './options.ts';
import type { RelayConfig } from './resolve.ts';

const mask = '***';

/** Every option that has a value, in the order of the reference. */
export function describeConfig(config: RelayConfig): Record<string, unknown> {
  const { security, compression, redis, ...rest } = config;
  const described: Record<string, unknown> = {
    ...rest,
    redis: redis === null ? null : maskSecrets(redis),
    kafka: { ssl: describeTls(security.tls), sasl: describeLogin(security.login), compression },
  };
  return Object.fromEntries(
    Object.keys(optionsSchema.shape).map((name) => [name, described[name]]),
  );
}

/** e.g. `SASL_SSL with SCRAM-SHA-512`: Kafka's own names. */
export function nameProtocol({ tls, login }: BrokerSecurity): string {
  const transport = tls === null ? 'PLAINTEXT' : 'SSL';
  return login === null ? transport : `SASL_${transport} with ${login.mechanism}`;
}

function describeTls(tls: Tls | null): unknown {
  if (tls === null) return false;
  const { keyPassword, ...rest } = tls;
  return { ...rest, ...describeSecret('keyPassword', keyPassword) };
}

function describeLogin(login: Login | null): unknown {
  if (login === null) return null;
  if (login.mechanism === 'GSSAPI') return login;
  if (login.mechanism !== 'OAUTHBEARER') {
    const { password, ...rest } = login;
    return { ...rest, ...describeSecret('password', password) };
  }
  const { mechanism, token } = login;
  if (token.kind === 'callback') return { mechanism, fetchKafkaToken: 'given in code' };
  if (token.kind === 'file') return { mechanism, tokenFile: token.file };
  const { url, clientId, clientSecret, scope, caFile: tokenCaFile } = token;
  const secret = describeSecret('clientSecret', clientSecret);
  return { mechanism, tokenEndpoint: maskSecrets(url), clientId, ...secret, scope, tokenCaFile };
}

function describeSecret(name: string, secret: Secret | null): Record<string, string> {
  if (secret === null) return {};
  return 'file' in secret ? { [`${name}File`]: secret.file } : { [name]: mask };
}
