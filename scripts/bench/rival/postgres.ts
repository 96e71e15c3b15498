/**
 * A PostgreSQL of the benchmark's own: the programs that the machine has, a cluster that is made
 * for this run and thrown away with it. Everything is left as PostgreSQL has it by default, fsync
 * and synchronous_commit above all; only `wal_level` is raised, which the rival asks for.
 */
import { execFile, spawnSync } from 'node:child_process';
import { appendFileSync, chownSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { ClientConfig } from 'pg';
import type { Endings } from '../../demo/endings.ts';

const execute = promisify(execFile);

export interface Postgres {
  readonly version: string;
  /** How to connect to it as its superuser. */
  readonly connection: ClientConfig;
}

/** Whose processes the server's are; `null`: ours. */
interface Account {
  readonly uid: number;
  readonly gid: number;
}

interface Programs {
  readonly initdb: string;
  readonly pgCtl: string;
}

/** Persistent by convention where `/tmp` may be memory, and open to every account. */
const parent = '/var/tmp';
/** The superuser of the cluster. */
export const role = 'bench';

/** Why there is no rival to measure. */
export class NoRival extends Error {}

/** Starts a server, listening on a socket in its own folder and nowhere else. */
export async function startPostgres(endings: Endings): Promise<Postgres> {
  const { initdb, pgCtl } = findPrograms();
  const account = findAccount();
  const folder = mkdtempSync(join(parent, 'outbox-relay-bench-'));
  endings.add(folder, async () => rmSync(folder, { recursive: true, force: true }));
  if (account !== null) chownSync(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  const run = async (program: string, args: readonly string[]) => {
    await execute(program, [...args, '-D', data], { cwd: folder, ...account }).catch((error) => {
      throw new NoRival(`PostgreSQL does not start: ${error.stderr?.trim() || error.message}`);
    });
  };
  await run(initdb, ['--username', role, '--auth', 'trust', '--encoding', 'UTF8', '--no-locale']);
  const settings = { wal_level: 'logical', listen_addresses: '', unix_socket_directories: folder };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
  appendFileSync(join(data, 'postgresql.conf'), lines.join(''));
  endings.add('PostgreSQL', async () => {
    if (existsSync(join(data, 'postmaster.pid'))) await run(pgCtl, ['stop', '-m', 'immediate']);
  });
  await run(pgCtl, ['start', '-w', '-l', join(folder, 'log')]);
  const { stdout } = await execute(initdb, ['--version']);
  const version = /\d+(\.\d+)?/.exec(stdout)?.[0] ?? 'of unknown version';
  return { version, connection: { host: folder, user: role, database: 'postgres' } };
}

/** The newest of Debian's, else what is in the PATH. */
function findPrograms(): Programs {
  const major = (folder: string) => Number(/\d+/.exec(folder)?.[0]);
  const debian = globSync('/usr/lib/postgresql/*/bin').toSorted((a, b) => major(b) - major(a));
  const folders = [...debian, ...(process.env['PATH'] ?? '').split(delimiter)];
  for (const folder of folders) {
    const [initdb, pgCtl] = [join(folder, 'initdb'), join(folder, 'pg_ctl')];
    if (existsSync(initdb) && existsSync(pgCtl)) return { initdb, pgCtl };
  }
  throw new NoRival('no PostgreSQL server (initdb, pg_ctl) is installed here');
}

/** PostgreSQL refuses to run as root; its packages bring an account along. */
function findAccount(): Account | null {
  if (process.getuid?.() !== 0) return null;
  const ask = (flag: string) => {
    const { stdout, status } = spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' });
    return status === 0 ? Number(stdout) : null;
  };
  const [uid, gid] = [ask('-u'), ask('-g')];
  if (uid !== null && gid !== null) return { uid, gid };
  throw new NoRival('PostgreSQL refuses root, and there is no account postgres');
}
