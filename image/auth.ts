/**
 * Names and passwords for registries: carrick's own, and those where docker, podman and skopeo keep them:
 *
 *   CARRICK_REGISTRY_USER, CARRICK_REGISTRY_PASSWORD     for the registry of the image that is asked for
 *   $CARRICK_HOME/auth.json                              what `carrick login` was told (login.ts)
 *   $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json, ~/.docker/config.json, $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json
 *
 * and from docker's credential helpers that these files name. The first that knows the registry counts.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { errorCode } from './error.js';

/** Either user and password, or a refresh token (docker's "identity token"). */
export interface Credentials { readonly user: string; readonly password: string; readonly refreshToken: string }

export type Env = Readonly<Record<string, string | undefined>>;

/** docker's key for its own registry. */
const HUB_KEY = 'https://index.docker.io/v1/';
/** docker's mark of a refresh token that a helper gives. */
const TOKEN_USER = '<token>';

export interface AuthEntry { readonly auth?: unknown; readonly username?: unknown; readonly password?: unknown; readonly identitytoken?: unknown }
export interface AuthFile {
  readonly auths?: Readonly<Record<string, AuthEntry>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

/** Where `carrick login` keeps what it is told. */
export function ownAuthFile(env: Env): string {
  return join(resolve(env['CARRICK_HOME'] || join(env['HOME'] ?? homedir(), '.carrick')), 'auth.json');
}

function files(env: Env): string[] {
  const home = env['HOME'] ?? homedir();
  return [
    ownAuthFile(env), env['REGISTRY_AUTH_FILE'], join(env['DOCKER_CONFIG'] ?? join(home, '.docker'), 'config.json'),
    env['XDG_RUNTIME_DIR'] === undefined ? undefined : join(env['XDG_RUNTIME_DIR'], 'containers', 'auth.json'),
    join(env['XDG_CONFIG_HOME'] ?? join(home, '.config'), 'containers', 'auth.json'),
  ].filter((f): f is string => f !== undefined && f !== '');
}

export function readAuthFile(path: string): AuthFile {
  try {
    const v: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof v === 'object' && v !== null ? v : {};
  } catch (error) {
    // Not there, not for us, or not JSON: no credentials in it, and a public image needs none.
    if (errorCode(error) !== '' || error instanceof SyntaxError) return {};
    throw error;
  }
}

/** How a file may spell a registry. */
function keysOf(registry: string): string[] {
  const keys = [registry, `https://${registry}`, `http://${registry}`, `https://${registry}/v1/`, `https://${registry}/v2/`];
  return registry === 'docker.io' ? [HUB_KEY, 'index.docker.io', ...keys] : keys;
}

function fromEntry(e: AuthEntry): Credentials | undefined {
  const text = (v: unknown): string => typeof v === 'string' ? v : '';
  if (text(e.identitytoken) !== '') return { user: '', password: '', refreshToken: text(e.identitytoken) };
  if (text(e.username) !== '') return { user: text(e.username), password: text(e.password), refreshToken: '' };
  const pair = Buffer.from(text(e.auth), 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = pair.indexOf(':');
  return colon < 1 ? undefined : { user: pair.slice(0, colon), password: pair.slice(colon + 1), refreshToken: '' };
}

/** Ask docker-credential-NAME. */
function fromHelper(name: string, key: string): Credentials | undefined {
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return undefined;
  try {
    const out = execFileSync(`docker-credential-${name}`, ['get'], { input: key, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'], timeout: 30_000 });
    const v = JSON.parse(out) as { Username?: unknown; Secret?: unknown };
    if (typeof v.Username !== 'string' || typeof v.Secret !== 'string') return undefined;
    return v.Username === TOKEN_USER ? { user: '', password: '', refreshToken: v.Secret } : { user: v.Username, password: v.Secret, refreshToken: '' };
  } catch (error) {
    // The helper is not installed, or does not know the registry (it exits with 1 then).
    if (error instanceof Error) return undefined;
    throw error;
  }
}

export function findCredentials(registry: string, env: Env): Credentials | undefined {
  const user = env['CARRICK_REGISTRY_USER'];
  if (user !== undefined && user !== '') return { user, password: env['CARRICK_REGISTRY_PASSWORD'] ?? '', refreshToken: '' };
  for (const path of files(env)) {
    const file = readAuthFile(path);
    for (const key of keysOf(registry)) {
      const helper = file.credHelpers?.[key];
      const found = helper !== undefined ? fromHelper(helper, key) : file.auths?.[key] === undefined ? undefined : fromEntry(file.auths[key] ?? {});
      if (found !== undefined) return found;
    }
    const stored = file.credsStore === undefined || file.credsStore === '' ? undefined : fromHelper(file.credsStore, keysOf(registry)[0] as string);
    if (stored !== undefined) return stored;
  }
  return undefined;
}
