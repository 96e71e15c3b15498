/** The images of a row: found, pulled or built, and asked for their versions. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { provideImage } from '../../images/provide.mjs';
import { installPolicy } from '../../setup/decide.mjs';
import { createProgress } from '../../setup/progress.mjs';
import type { Versions } from './report.ts';
import type { Row, ServiceImage } from './rows.ts';

export interface RowImages {
  readonly kafka: string;
  readonly redis: string;
}

const workFolder = fileURLToPath(new URL('../../../.images/', import.meta.url));

/** Rejects when one of them can neither be pulled nor built. */
export async function provideImages(row: Row): Promise<RowImages> {
  // On a terminal nobody was asked about packages for these: a row then says which it misses.
  const isTty = process.stdin.isTTY === true;
  const mayInstall = installPolicy({ env: process.env, isTty }) === 'install';
  const progress = createProgress(process.stderr, { quiet: false });
  const provide = async (service: ServiceImage): Promise<string> => {
    const step = progress.step(service.official);
    try {
      const name = await provideImage(service, { workFolder, mayInstall, note: step.note });
      step.end('done', name);
      return name;
    } catch (error) {
      step.end('failed');
      throw error;
    }
  };
  try {
    return { kafka: await provide(row.kafka), redis: await provide(row.redis) };
  } finally {
    progress.close();
  }
}

export async function versionsOf({ kafka, redis }: RowImages): Promise<Versions> {
  const jars = await inside(kafka, 'ls /opt/kafka/libs');
  const server = await inside(redis, 'valkey-server --version || redis-server --version');
  const [, name = 'unknown', version = ''] = /^(\w+) server v=(\S+)/m.exec(server) ?? [];
  return {
    kafka: /^kafka-clients-(\d.*)\.jar$/m.exec(jars)?.[1] ?? 'unknown',
    redis: `${name} ${version}`.trim(),
  };
}

async function inside(image: string, script: string): Promise<string> {
  const args = ['run', '--rm', '--pull', 'never', '--entrypoint', 'sh', image, '-c', script];
  return (await promisify(execFile)('docker', args)).stdout;
}
