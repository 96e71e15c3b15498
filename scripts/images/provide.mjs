// An image by its official name where it is there or can be pulled, else one that is built here.
import { canInstallPackages, installPackages } from '../setup/packages.mjs';
import { succeeds } from '../setup/process.mjs';
import { buildImage, localImage, packagesForBuild } from './build.mjs';

/** A pull that shows no progress for this long is given up. */
const pullIdleMs = 30_000;

export const isPresent = (name) => succeeds('docker', ['image', 'inspect', name]);

export const pull = (name) => succeeds('docker', ['pull', name], { idleMs: pullIdleMs });

/** An image that the caller has named: used if it is there, else pulled. */
export async function providePulled(name, note) {
  if (await isPresent(name)) return;
  note(`docker pull ${name}`);
  if (await pull(name)) return;
  throw new Error(`the image ${name} is not on this machine and cannot be pulled`);
}

/**
 * @param {{ recipe: string, version?: string, official: string }} wanted
 * @param {{ workFolder: string, mayInstall: boolean, note: (text: string) => void }} how
 *   `mayInstall`: whether system packages that building needs may be installed
 * @returns {Promise<string>} the image's name
 */
export async function provideImage(
  { recipe, version, official },
  { workFolder, mayInstall, note },
) {
  if (await isPresent(official)) return official;
  // What was built is there because nothing could be pulled: it is not tried again each time.
  const local = localImage({ recipe, version });
  if (await isPresent(local)) return local;
  note(`docker pull ${official}`);
  if (await pull(official)) return official;
  const packages = await packagesForBuild();
  if (packages.length > 0) {
    const names = packages.join(', ');
    if (!canInstallPackages())
      throw new Error(`${official} cannot be pulled, nor built without ${names}`);
    if (!mayInstall) throw new Error(`${official} cannot be pulled; to build it, install ${names}`);
    await installPackages(packages, note);
  }
  return buildImage({ recipe, version, workFolder, note });
}
