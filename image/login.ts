/** Passwords that `carrick login` keeps: $CARRICK_HOME/auth.json, in docker's format, for its owner only. */
import { chmodSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type AuthFile, type Env, ownAuthFile, readAuthFile } from './auth.js';
import { ImageError, errorCode } from './error.js';
import { type Fetch, Registry } from './registry.js';

function write(env: Env, auths: AuthFile['auths']): void {
  const path = ownAuthFile(env);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, `${JSON.stringify({ auths }, undefined, 2)}\n`, { mode: 0o600 });
    // An older file of that name might have been open to others.
    chmodSync(`${path}.new`, 0o600);
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw new ImageError(`cannot write ${path} (${errorCode(error)})`, { cause: error });
  }
}

/** Try user and password on the registry; keep them if it takes them. */
export async function login(registry: string, user: string, password: string, env: Env, fetch?: Fetch): Promise<void> {
  await new Registry(registry, env, fetch, { user, password, refreshToken: '' }).check();
  write(env, { ...readAuthFile(ownAuthFile(env)).auths, [registry]: { auth: Buffer.from(`${user}:${password}`).toString('base64') } });
}

/** False when there was nothing to forget. */
export function logout(registry: string, env: Env): boolean {
  const { [registry]: known, ...others } = readAuthFile(ownAuthFile(env)).auths ?? {};
  if (known === undefined) return false;
  write(env, others);
  return true;
}
