// The client of the Python original, for comparisons with it: a package in a folder of our own, so
// that no Python of the machine is changed.
import { join } from 'node:path';
import { canInstallPackages, installPackages } from './packages.mjs';
import { run, succeeds } from './process.mjs';

const requirement = 'confluent-kafka==2.16.1';

export const pythonFolder = (root) => join(root, '.toolchain', 'python');

export const python = {
  name: 'Python client',
  missing: `python3 with ${requirement} in .toolchain/python (pip install --target)`,

  async find({ root }) {
    const program = 'import confluent_kafka as c; print(c.__version__, c.libversion()[0])';
    try {
      const env = { PYTHONPATH: pythonFolder(root) };
      const [version, library] = (await run('python3', ['-c', program], { env })).trim().split(' ');
      if (requirement !== `confluent-kafka==${version}`) return null;
      return { note: `confluent-kafka ${version}, librdkafka ${library}` };
    } catch {
      return null; // no Python, not installed, or for another Python: installed again
    }
  },

  /** System packages this step would install. */
  async packages() {
    const there = await succeeds('python3', ['-m', 'pip', '--version']);
    return there || !canInstallPackages() ? [] : ['python3', 'python3-pip'];
  },

  async install({ root, note }) {
    const packages = await python.packages();
    if (packages.length > 0) await installPackages(packages, note);
    note(`pip: ${requirement}`);
    const flags = ['--quiet', '--upgrade', '--only-binary', ':all:', '--root-user-action=ignore'];
    const folder = pythonFolder(root);
    await run('python3', ['-m', 'pip', 'install', ...flags, '--target', folder, requirement]);
  },
};
