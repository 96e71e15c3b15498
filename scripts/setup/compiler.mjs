// A C compiler, for the library that the tests of power loss preload (test/support/power/shim.c).
// Linux only: elsewhere those tests are left out by name.
import { installerOf, installPackages } from './packages.mjs';
import { has, run, succeeds } from './process.mjs';

const debian = ['gcc', 'libc6-dev'];

export const compiler = {
  name: 'C compiler for tests',
  missing: 'a C compiler as cc, with the headers of the C library (gcc, libc6-dev)',

  async find({ platform = process.platform } = {}) {
    if (platform !== 'linux') return { note: `not used on ${platform}` };
    if (!(await has('cc')) || !(await compiles())) return null;
    return { note: (await run('cc', ['--version'])).split('\n')[0] };
  },

  /** System packages this step would install. */
  packages: async () => debian,

  async install({ note }) {
    if ((await installerOf(process.env)) === null) {
      throw new Error(
        `The tests of power loss compile a library, and for that is missing: ${debian}.`,
      );
    }
    await installPackages(debian, note);
  },
};

/** With the headers: Debian has a compiler without them. */
const compiles = () =>
  succeeds('cc', ['-x', 'c', '-fsyntax-only', '-'], { input: '#include <unistd.h>\n' });
