/** The package as users get it: packed, installed into empty projects, used from each of them. */
import { type ExecFileSyncOptions, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/child.ts';

let folder: string;
let tarball: string;
let files: string[];

const run = (file: string, args: string[], options: ExecFileSyncOptions = {}): string =>
  String(execFileSync(file, args, { cwd: root, stdio: 'pipe', ...options }));
const tool = (...path: string[]) => join(root, 'node_modules', ...path);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'outbox-package-'));
  run('npm', ['pack', '--pack-destination', folder]);
  tarball = join(folder, readdirSync(folder)[0] as string);
  files = run('tar', ['-tzf', tarball]).trim().split('\n');
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** An empty project of this type with the package installed as its README says. */
function project(name: string, manifest: object): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name, private: true, ...manifest }));
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  run('npm', ['install', ...options, tarball, 'better-sqlite3'], { cwd: path });
  return path;
}

describe('the package', () => {
  it('contains what it runs on, and nothing else', () => {
    const names = files.map((file) => file.replace(/^package\//, ''));
    const parts = ['index', 'testing/index', 'rasa/index', 'inbox/index'];
    const entries = parts.map((name) => `dist/${name}.js`);
    const wanted = entries.flatMap((name) => [name, name.replace('.js', '.d.ts')]);
    const shipped = [
      'dist/cli/main.js',
      'dist/testing/relay-process.js',
      'migrations/0002_refusals.sql',
      'README.md',
      'LICENSE',
    ];
    expect(names).toEqual(expect.arrayContaining([...wanted, ...shipped, 'CHANGELOG.md']));
    const folders = new Set(names.map((file) => file.split('/')[0]));
    expect([...folders].sort()).toEqual(
      ['CHANGELOG.md', 'LICENSE', 'README.md', 'dist', 'docs', 'migrations', 'package.json'].sort(),
    );
  });

  it('publishes an event from an ES module, and from its command line', () => {
    const path = project('esm', { type: 'module' });
    writeFileSync(
      join(path, 'main.js'),
      `import { openOutbox } from 'outbox-relay';
       import { KafkaEventBroker } from 'outbox-relay/rasa';
       import { createInbox } from 'outbox-relay/inbox';
       import { createTestOutbox, killRelayAt, startKafka } from 'outbox-relay/testing';
       if (typeof createInbox !== 'function') throw new Error('no inbox');
       const outbox = openOutbox({ path: 'shop.db' });
       console.log(outbox.enqueue({ topic: 'orders', key: 'k', value: { id: 1 } }).seq);
       await outbox.close();
       const test = await createTestOutbox();
       test.outbox.enqueue({ topic: 'orders', value: 'through the relay' });
       const [event] = await test.waitFor(1);
       console.log(String(event.value));
       await test.close();
       const refused = await startKafka().catch(({ code }) => code); // not installed here
       const options = { db: 'killed.db', brokers: ['127.0.0.1:1'] };
       const early = await openOutbox({ path: 'killed.db' });
       early.enqueue({ topic: 'orders', value: 'read' });
       await early.close();
       const { lanes, relay } = await killRelayAt('read', options);
       console.log(refused, lanes, (await relay.ended).signal);
       const rasa = { url: 'kafka', security_protocol: 'PLAINTEXT', run_relay: false };
       const broker = new KafkaEventBroker({ ...rasa, outbox_path: 'rasa.db' });
       console.log((await broker.publish({ timestamp: 1 })).seq);
       await broker.close();`,
    );
    expect(run(process.execPath, ['main.js'], { cwd: path })).toBe(
      '1\nthrough the relay\nTESTCONTAINERS_MISSING 8 SIGKILL\n1\n',
    );
    const bin = join(path, 'node_modules', '.bin', 'outbox-relay');
    const input = '{"topic":"orders","value":"typed"}\n';
    const published = run(bin, ['publish', '--db', 'shop.db', '--json'], { cwd: path, input });
    expect(JSON.parse(published)).toMatchObject({ stored: 1, firstSeq: 2 });
    const status = run(bin, ['status', '--db', 'shop.db', '--json'], { cwd: path });
    expect(JSON.parse(status)).toMatchObject({ pending: 2 });
  }, 240_000);

  it('publishes an event from CommonJS, by require()', () => {
    const path = project('cjs', {});
    writeFileSync(
      join(path, 'main.js'),
      `const { openOutbox, OutboxRelayError } = require('outbox-relay');
       const { createTestOutbox } = require('outbox-relay/testing');
       const { KafkaEventBroker } = require('outbox-relay/rasa');
       const outbox = openOutbox({ path: 'shop.db' });
       outbox.publish({ topic: 'orders', value: 'v' }).then(({ seq }) => {
         const all = [OutboxRelayError, createTestOutbox, KafkaEventBroker];
         console.log(seq, ...all.map((one) => typeof one));
         return outbox.close();
       });`,
    );
    expect(run(process.execPath, ['main.js'], { cwd: path })).toBe(
      '1 function function function\n',
    );
  }, 240_000);

  it('is typed for TypeScript, checked without skipLibCheck, and publishes from there', () => {
    const path = project('typescript', { type: 'module' });
    writeFileSync(
      join(path, 'main.ts'),
      `import Database from 'better-sqlite3';
       import { openOutbox, type AppendResult, type Relay, createRelay } from 'outbox-relay';
       import { type KafkaEventBrokerOptions, PythonFloat, toPythonJson } from 'outbox-relay/rasa';
       import { checkDelivery, createTestOutbox } from 'outbox-relay/testing';
       import { startKafka, type TestKafka } from 'outbox-relay/testing';
       const kafka: (image: string) => Promise<TestKafka> = (image) => startKafka({ image });
       const { lost }: { lost: number } = checkDelivery({ accepted: [] }, []);
       const rasa: KafkaEventBrokerOptions = { url: ['a', 'b:1'], loglevel: 20, other: true };
       interface Topics { orders: { id: number } }
       const db = new Database('shop.db');
       db.pragma('journal_mode = WAL');
       db.pragma('synchronous = FULL');
       const outbox = openOutbox<Topics>({ db });
       const result: AppendResult = outbox.enqueue({ topic: 'orders', value: { id: 1 } });
       // @ts-expect-error: not the value of orders
       const wrong = () => outbox.enqueue({ topic: 'orders', value: 'one' });
       const relay: Relay = createRelay({ db: 'shop.db', brokers: ['127.0.0.1:9092'] });
       const one = toPythonJson([new PythonFloat(1), rasa.topic ?? null]);
       console.log(result.seq + lost, one, typeof wrong, typeof relay.start, typeof kafka);
       void createTestOutbox;
       await outbox.close();
       db.close();`,
    );
    const compilerOptions = {
      ...{ module: 'nodenext', target: 'es2024', strict: true, skipLibCheck: false },
      ...{ lib: ['es2024', 'esnext.disposable'], types: ['node'], outDir: 'out' },
    };
    writeFileSync(
      join(path, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['main.ts'] }),
    );
    run(process.execPath, [tool('typescript', 'bin', 'tsc')], { cwd: path });
    expect(run(process.execPath, ['out/main.js'], { cwd: path })).toBe(
      '1 [1.0, null] function function function\n',
    );
  }, 240_000);

  it('is clean to publint and to arethetypeswrong', () => {
    const publint = tool('publint', 'src', 'cli.js');
    expect(run(process.execPath, [publint, 'run', tarball, '--strict'])).toContain('All good!');
    const attw = tool('@arethetypeswrong', 'cli', 'dist', 'index.js');
    // ESM only: Node 22.12 and later load it by require() too, as the test above shows.
    const args = [attw, tarball, '--profile', 'esm-only', '--no-color'];
    expect(run(process.execPath, args)).toContain('🟢 (ESM)'); // it throws on any problem
  }, 240_000);
});
