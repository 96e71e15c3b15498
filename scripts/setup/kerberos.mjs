// What the tests of GSSAPI need: the image of a KDC, which no registry has, and the `kerberos`
// package, whose native part is built here from its source. Its install script is not run by
// `npm ci`, which must not need a compiler, and would ask GitHub for a binary first.
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { baseImage } from '../images/base.mjs';
import { buildImage, localImage } from '../images/build.mjs';
import { isPresent, providePulled, pull } from '../images/provide.mjs';
import { record } from './images.mjs';
import { installerOf, installPackages } from './packages.mjs';
import { has, runNpm } from './process.mjs';

const key = 'KDC_IMAGE';
const official = 'debian:bookworm-slim';
/** What tells that it is there, and the Debian package that brings it. */
const tools = [
  { command: 'make', debian: 'make' },
  { command: 'g++', debian: 'g++' },
  { command: 'python3', debian: 'python3' },
  { command: 'krb5-config', debian: 'libkrb5-dev' },
];

export const kerberos = {
  name: 'Kerberos for tests',
  missing: `an image of a KDC (${key}), and node_modules/kerberos built (npm rebuild kerberos)`,

  async find({ root, env }) {
    const image = env[key] || localImage({ recipe: 'kdc' });
    if (!existsSync(bindingOf(root)) || !(await isPresent(image))) return null;
    if (!env[key]) record(root, { [key]: image });
    return { images: { [key]: image }, note: image };
  },

  /** System packages this step would install. */
  async packages() {
    const found = await Promise.all(tools.map(({ command }) => has(command)));
    return tools.filter((_, index) => !found[index]).map(({ debian }) => debian);
  },

  async install({ root, env, node, note }) {
    if (!existsSync(bindingOf(root))) await buildBinding({ root, node, note });
    const image = env[key] || localImage({ recipe: 'kdc' });
    if (env[key]) await providePulled(image, note);
    else if (!(await isPresent(image))) await buildKdc({ root, note });
  },
};

async function buildKdc({ root, note }) {
  const from = (await canHaveDebian(note)) ? official : undefined;
  if (from === undefined && !(await has('debootstrap'))) {
    await installPackages(['debootstrap'], note);
  }
  await buildImage({ recipe: 'kdc', workFolder: join(root, '.images'), note, from });
}

async function canHaveDebian(note) {
  if (await isPresent(official)) return true;
  // Where a base of ours was built nothing can be pulled: it is not tried again.
  if (await isPresent(baseImage('bookworm'))) return false;
  note(`docker pull ${official}`);
  return pull(official);
}

async function buildBinding({ root, node, note }) {
  const wanted = await kerberos.packages();
  if (wanted.length > 0) {
    if ((await installerOf(process.env)) === null) {
      throw new Error(`The kerberos package is built here, and for that is missing: ${wanted}.`);
    }
    await installPackages(wanted, note);
  }
  note('npm rebuild kerberos');
  const prefix = dirname(dirname(node));
  const headers = existsSync(join(prefix, 'include', 'node', 'node_api.h'));
  const env = {
    PATH: [dirname(node), process.env.PATH].join(delimiter),
    npm_config_build_from_source: 'kerberos',
    // Without them node-gyp fetches the headers of this Node from nodejs.org.
    ...(headers ? { npm_config_nodedir: prefix } : {}),
  };
  await runNpm(['rebuild', 'kerberos', '--ignore-scripts=false'], { cwd: root, env });
}

const bindingOf = (root) =>
  join(root, 'node_modules', 'kerberos', 'build', 'Release', 'kerberos.node');
