// Builds the Kafka and Redis images from packages, for machines that reach no image registry, and
// the KDC's everywhere. One Debian base (debootstrap) carries a Java runtime, Redis and a KDC; each
// recipe adds its own part with `docker build`, which asks no registry because its FROM is local.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { has, run, succeeds } from '../setup/process.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const suite = 'bookworm';
const basePackages = [
  ...['openjdk-17-jre-headless', 'redis-server'],
  ...['krb5-kdc', 'krb5-admin-server', 'krb5-user'],
];

/** Name of the local image; it changes with the recipe, so that an old one is not taken for it. */
export async function localImage(recipe) {
  return `outbox-relay/${recipe}:local-${hashOf([recipe, 'build.mjs'])}`;
}

export async function packagesForBuild() {
  const wanted = [];
  if (!(await has('debootstrap'))) wanted.push('debootstrap');
  if (!(await has('mvn'))) wanted.push('maven', 'default-jre-headless');
  return wanted;
}

/**
 * @param {{ from?: string }} options `from`: an image of Debian to build on, instead of the base
 * @returns {Promise<string>} the image's name
 */
export async function buildImage({ recipe, workFolder, note, from }) {
  const folder = join(workFolder, recipe);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(workFolder, { recursive: true });
  cpSync(join(here, recipe), folder, { recursive: true });
  const [base] = await Promise.all([
    from ?? buildBase({ workFolder, note }),
    recipe === 'kafka' ? fetchJars(folder, note) : null,
  ]);
  const image = await localImage(recipe);
  note(`docker build ${image}`);
  await run('docker', ['build', '--build-arg', `BASE=${base}`, '--tag', image, folder], {
    env: { DOCKER_BUILDKIT: '0' }, // Debian's engine has no buildx
  });
  rmSync(folder, { recursive: true, force: true });
  return image;
}

async function buildBase({ workFolder, note }) {
  const image = `outbox-relay/base:local-${hashOf(['build.mjs'])}`;
  if (await succeeds('docker', ['image', 'inspect', image])) return image;
  const folder = join(workFolder, 'base');
  rmSync(folder, { recursive: true, force: true });
  note(`debootstrap ${suite}`);
  const options = ['--variant=minbase', `--include=${basePackages.join(',')}`];
  await run('debootstrap', [...options, suite, folder], { onLine: (line) => note(line) });
  for (const waste of ['var/cache/apt', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/man']) {
    rmSync(join(folder, waste), { recursive: true, force: true });
  }
  note('docker import');
  await run('sh', ['-c', `tar -C '${folder}' -c . | docker import - '${image}'`]);
  rmSync(folder, { recursive: true, force: true });
  return image;
}

async function fetchJars(folder, note) {
  note('Kafka 4.3.1 from Maven Central');
  const goal = 'dependency:copy-dependencies';
  const target = `-DoutputDirectory=${join(folder, 'libs')}`;
  await run('mvn', ['-q', '-B', '-f', join(folder, 'pom.xml'), goal, target]);
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
