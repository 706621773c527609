/**
 * Named volumes: directories that outlive containers.
 *
 *   $CARRICK_HOME/volumes/NAME/_data         what containers see (`run -v NAME:DIR`), of whoever writes to it
 *   $CARRICK_HOME/volumes/NAME/volume.json   when it was made, its labels; written last, so that a volume with it is whole
 *
 * Made by `volume create`, or when a container that names it is made; filled by the first container that mounts it empty (servers/vfs/fill.ts). Any number of containers may use one at
 * a time, as with docker: nothing is locked. The commands are in life/volumes.ts.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BindSpec } from '../shared/spec.js';
import { carrickHome, makeDirs } from './container-dir.js';
import { Failure, why } from './failure.js';

const ABOUT = 'volume.json';

interface About { readonly created: string; readonly labels: Readonly<Record<string, string>> }
export interface Volume extends About { readonly name: string }

/** docker's rule. What has a slash in it, or begins with a dot, is a path. */
export const isVolumeName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$/.test(name);

export const homeOf = (name: string): string => join(carrickHome(), 'volumes', name);
/** Where its files are. */
export const dataOf = (name: string): string => join(homeOf(name), '_data');

/** A volume that is there. */
export function volume(name: string): Volume | undefined {
  if (!isVolumeName(name)) return undefined;
  try {
    return { name, ...JSON.parse(readFileSync(join(homeOf(name), ABOUT), 'utf8')) as About };
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof Error && 'code' in error)) throw error;
    return undefined; // none, or one that is just being made
  }
}

export function listVolumes(): Volume[] {
  const dir = join(carrickHome(), 'volumes');
  return (existsSync(dir) ? readdirSync(dir).sort() : []).flatMap((name) => volume(name) ?? []);
}

/** It is there afterwards, new or as it was. */
export function ensureVolume(name: string, labels: Readonly<Record<string, string>>): void {
  if (volume(name) !== undefined) return;
  try {
    makeDirs(dataOf(name));
    writeFileSync(join(homeOf(name), ABOUT), JSON.stringify({ created: new Date().toISOString(), labels } satisfies About), { mode: 0o600 });
  } catch (error) {
    throw new Failure(`cannot make the volume ${name}: ${why(error)}`, undefined, { cause: error });
  }
}

/** The volumes of a new container are there afterwards. */
export function ensureVolumes(binds: readonly BindSpec[]): void {
  for (const { volume: name } of binds) if (name !== undefined) ensureVolume(name, {});
}
