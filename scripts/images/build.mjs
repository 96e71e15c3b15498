// Builds the Kafka, Redis and Valkey images from packages, for machines that reach no image
// registry, and the KDC's, which no registry has. Each recipe adds its own part to a Debian base
// with `docker build`, which asks no registry because its FROM is local.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { has, run } from '../setup/process.mjs';
import { buildBase } from './base.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const suites = { kafka: 'bookworm', redis: 'bookworm', valkey: 'trixie', kdc: 'bookworm' };

/**
 * Name of the local image; it changes with version and recipe, so that an old one is not taken for
 * it. Redis and Valkey have the version of their Debian, so they are given none.
 * @param {{ recipe: string, version?: string }} image
 */
export function localImage({ recipe, version }) {
  const tag = ['local', version, hashOf([recipe, 'base.mjs', 'build.mjs'])];
  return `outbox-relay/${recipe}:${tag.filter(Boolean).join('-')}`;
}

export async function packagesForBuild() {
  const wanted = [];
  if (!(await has('debootstrap'))) wanted.push('debootstrap');
  if (!(await has('mvn'))) wanted.push('maven', 'default-jre-headless');
  return wanted;
}

/**
 * @param {{ recipe: string, version?: string, workFolder: string, note: (text: string) => void,
 *   from?: string }} options `from`: an image of Debian to build on, instead of a base of ours
 * @returns {Promise<string>} the image's name
 */
export async function buildImage({ recipe, version, workFolder, note, from }) {
  const folder = join(workFolder, [recipe, version].filter(Boolean).join('-'));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(workFolder, { recursive: true });
  cpSync(join(here, recipe), folder, { recursive: true });
  const [base] = await Promise.all([
    from ?? buildBase({ suite: suites[recipe], workFolder, note }),
    recipe === 'kafka' ? fetchJars({ folder, version, note }) : null,
  ]);
  const image = localImage({ recipe, version });
  note(`docker build ${image}`);
  await run('docker', ['build', '--build-arg', `BASE=${base}`, '--tag', image, folder], {
    env: { DOCKER_BUILDKIT: '0' }, // Debian's engine has no buildx
  });
  rmSync(folder, { recursive: true, force: true });
  return image;
}

async function fetchJars({ folder, version, note }) {
  note(`Kafka ${version} from Maven Central`);
  const goal = 'dependency:copy-dependencies';
  const options = [
    `-Dkafka.version=${version}`,
    `-DoutputDirectory=${join(folder, 'libs')}`,
    // Kafka 3's own way to log; with ours beside it there would be two.
    '-DexcludeArtifactIds=slf4j-reload4j',
  ];
  await run('mvn', ['-q', '-B', '-f', join(folder, 'pom.xml'), goal, ...options]);
}

function hashOf(paths) {
  const hash = createHash('sha256');
  const visit = (path) => {
    const full = join(here, path);
    if (!existsSync(full)) throw new Error(`no recipe ${path}`);
    const children = isFolder(full) ? readdirSync(full).sort() : null;
    if (children === null) hash.update(path).update(readFileSync(full));
    else for (const child of children) visit(join(path, child));
  };
  for (const path of paths) visit(path);
  return hash.digest('hex').slice(0, 12);
}

function isFolder(path) {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false; // ENOTDIR: a file
  }
}
