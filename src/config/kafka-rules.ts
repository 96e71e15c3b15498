/** Rules between the options of group `kafka`. No value is told: some are secrets. */
import { accessSync, constants, statSync } from 'node:fs';
import { type Mechanism, mechanisms } from '../sink/security.ts';
import type { Fault } from './fault.ts';

type Options = Readonly<Record<string, unknown>>;
type KafkaFault = Omit<Fault, 'origin'>;

export interface KafkaRules {
  /** Paths that are faulty already. */
  readonly wrong: ReadonlySet<string>;
  /** Whether the application gives tokens: `fetchKafkaToken`. */
  readonly hasCallback: boolean;
}

const withPassword = ['username', 'password', 'passwordFile'];
const withEndpoint = ['clientId', 'clientSecret', 'clientSecretFile', 'scope', 'tokenCaFile'];
const belonging: Readonly<Record<Mechanism, readonly string[]>> = {
  PLAIN: withPassword,
  'SCRAM-SHA-256': withPassword,
  'SCRAM-SHA-512': withPassword,
  OAUTHBEARER: ['tokenEndpoint', 'tokenFile', ...withEndpoint],
  GSSAPI: ['service', 'principal', 'keytab', 'credentialCache'],
};

/** Options of a group, and the complaints about them. */
class Group {
  readonly faults: KafkaFault[] = [];
  readonly #path: string;
  readonly #options: Options;
  readonly #wrong: ReadonlySet<string>;

  constructor(path: string, options: Options, wrong: ReadonlySet<string>) {
    this.#path = path;
    this.#options = options;
    this.#wrong = wrong;
  }

  has(name: string): boolean {
    return this.#options[name] !== undefined && this.#options[name] !== null;
  }

  blame(name: string, problem: string): void {
    const path = `${this.#path}.${name}`;
    if (!this.#wrong.has(path)) this.faults.push({ path, problem, received: undefined });
  }

  /** Not both of them, and one of them when it is needed. */
  either(name: string, other: string, needed: boolean): void {
    if (this.has(name) && this.has(other)) this.blame(other, `must not be beside ${name}`);
    if (needed && !this.has(name) && !this.has(other)) {
      this.blame(name, `must be given, or ${other}`);
    }
  }

  need(name: string, why: string): void {
    if (!this.has(name)) this.blame(name, `must be given ${why}`);
  }

  /** Complains of options that are given although they do nothing. */
  idle(names: readonly string[], why: string): void {
    for (const name of names) if (this.has(name)) this.blame(name, `has no effect ${why}`);
  }

  get names(): string[] {
    return Object.keys(this.#options);
  }
}

/** @param kafka the group as received */
export function kafkaFaults(kafka: unknown, rules: KafkaRules): KafkaFault[] {
  const { ssl, sasl } = asOptions(kafka) ?? {};
  const { wrong } = rules;
  const tls = wrong.has('kafka.ssl') ? null : asOptions(ssl);
  const login = wrong.has('kafka.sasl') ? null : asOptions(sasl);
  return [
    ...(tls === null ? [] : tlsFaults(new Group('kafka.ssl', tls, wrong))),
    ...(login === null || wrong.has('kafka.sasl.mechanism')
      ? []
      : loginFaults(new Group('kafka.sasl', login, wrong), login['mechanism'], rules)),
  ];
}

function asOptions(given: unknown): Options | null {
  return typeof given === 'object' && given !== null ? (given as Options) : null;
}

function tlsFaults(tls: Group): KafkaFault[] {
  if (tls.has('certFile')) tls.need('keyFile', 'with certFile');
  if (tls.has('keyFile')) tls.need('certFile', 'with keyFile');
  else tls.idle(['keyPassword', 'keyPasswordFile'], 'without keyFile');
  tls.either('keyPassword', 'keyPasswordFile', false);
  return tls.faults;
}

function loginFaults(login: Group, given: unknown, { hasCallback }: KafkaRules): KafkaFault[] {
  const mechanism = mechanisms.find((one) => one === String(given).toUpperCase());
  if (mechanism === undefined) {
    login.need('mechanism', `(${mechanisms.join(', ')})`);
    return login.faults;
  }
  const others = Object.values(belonging).flat();
  const foreign = login.names.filter(
    (name) => others.includes(name) && !belonging[mechanism].includes(name),
  );
  login.idle(foreign, `with ${mechanism}`);
  if (mechanism === 'GSSAPI') login.either('keytab', 'credentialCache', false);
  else if (mechanism === 'OAUTHBEARER') tokenFaults(login, hasCallback);
  else {
    login.need('username', `with ${mechanism}`);
    login.either('password', 'passwordFile', true);
  }
  return login.faults;
}

function tokenFaults(login: Group, hasCallback: boolean): void {
  if (hasCallback) login.idle(['tokenEndpoint', 'tokenFile'], 'beside fetchKafkaToken');
  else login.either('tokenEndpoint', 'tokenFile', false);
  if (!hasCallback && !login.has('tokenEndpoint') && !login.has('tokenFile')) {
    login.blame('tokenEndpoint', 'must be given, or tokenFile, or fetchKafkaToken in code');
  }
  if (login.has('tokenEndpoint')) {
    login.need('clientId', 'with tokenEndpoint');
    login.either('clientSecret', 'clientSecretFile', true);
  } else login.idle(withEndpoint, 'without tokenEndpoint');
}

const files: readonly (readonly [group: string, names: readonly string[]])[] = [
  ['ssl', ['caFile', 'certFile', 'keyFile', 'keyPasswordFile']],
  ['sasl', ['passwordFile', 'clientSecretFile', 'tokenFile', 'tokenCaFile']],
  ['sasl', ['keytab', 'credentialCache']],
];

/** Files that cannot be read now. They are read again later, and may change until then. */
export function fileFaults(kafka: unknown, wrong: ReadonlySet<string>): KafkaFault[] {
  const groups = asOptions(kafka) ?? {};
  const paths = files.flatMap(([group, names]) =>
    names.map((name) => [`kafka.${group}.${name}`, asOptions(groups[group])?.[name]] as const),
  );
  return paths.flatMap(([path, file]) => {
    if (typeof file !== 'string' || wrong.has(path)) return [];
    const problem = readingProblem(file);
    return problem === null ? [] : [{ path, problem, received: JSON.stringify(file) }];
  });
}

function readingProblem(given: string): string | null {
  // A credential cache may name its kind first; only the kind FILE is a file.
  if (/^(?!FILE:)[A-Z]+:/.test(given)) return null;
  const file = given.replace(/^FILE:/, '');
  try {
    accessSync(file, constants.R_OK);
    return statSync(file).isDirectory() ? 'must be a file that can be read (EISDIR)' : null;
  } catch (error) {
    return `must be a file that can be read (${(error as NodeJS.ErrnoException).code})`;
  }
}
