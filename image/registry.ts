/**
 * A client of the registry protocol (OCI distribution specification 1.1), for reading.
 *
 * Who needs no password is never asked for one: the first request goes without, and the answer 401 says what is wanted, Basic or a Bearer token from a
 * token server. Tokens are kept per client. Plain HTTP is used only for hosts of this machine and those that CARRICK_INSECURE_REGISTRIES
 * names; such a host is tried with HTTPS first. Redirects (registries keep blobs elsewhere) are followed by fetch, which drops the
 * Authorization header when they lead to another host.
 */
import { type Credentials, type Env, findCredentials } from './auth.js';
import { type Digest, digestOf } from './digest.js';
import { ImageError, errorCode, errorText } from './error.js';
import { ACCEPT, DOCUMENT_MAX } from './manifest.js';
import type { Reference } from './reference.js';

/** Docker Hub's API is not at its name. */
const HUB = 'docker.io', HUB_HOST = 'registry-1.docker.io';
/** A registry that sends nothing for so long is given up. ms. */
const SILENCE_MS = 60_000;
const USER_AGENT = 'carrick';

/** Node's fetch, or one that goes by a proxy (proxy.ts). */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface Fetched { readonly bytes: Buffer; readonly mediaType: string; readonly digest: Digest }

/** The registry said no, or could not be reached; `retry`: trying again may help. */
export class RegistryError extends ImageError {
  constructor(message: string, readonly status: number, readonly retry: boolean, options?: ErrorOptions) {
    super(message, options);
  }
}

export function isInsecure(host: string, env: Env): boolean {
  const name = host.replace(/:\d+$/, '');
  if (name === 'localhost' || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)) return true;
  return (env['CARRICK_INSECURE_REGISTRIES'] ?? '').split(/[\s,]+/).includes(host);
}

export interface Challenge { readonly scheme: string; readonly params: Readonly<Record<string, string>> }

/** WWW-Authenticate: one or more challenges. RFC 9110, 11.6.1. */
export function parseChallenges(header: string): Challenge[] {
  const list: Array<{ scheme: string; params: Record<string, string> }> = [];
  const token = /\s*,*\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y;
  for (let m = token.exec(header); m !== null; m = token.exec(header)) {
    const value = m[2]?.replace(/\\(.)/g, '$1') ?? m[3];
    if (value === undefined) list.push({ scheme: (m[1] as string).toLowerCase(), params: {} });
    else { const last = list.at(-1); if (last !== undefined) last.params[(m[1] as string).toLowerCase()] = value; }
  }
  return list;
}

/** Read a body of at most `max` bytes. */
async function readAll(response: Response, max: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let len = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    len += part.length;
    if (len > max) throw new ImageError('the registry sends more than any document has');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** What the cause of fetch's "fetch failed" says. */
function networkText(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  switch (errorCode(cause)) {
    case 'ENOTFOUND': case 'EAI_AGAIN': return 'its name cannot be resolved';
    case 'ECONNREFUSED': return 'it refuses connections';
    case 'UND_ERR_CONNECT_TIMEOUT': case 'ETIMEDOUT': return 'it does not answer';
    default: return errorText(cause) || 'no connection';
  }
}

export class Registry {
  private readonly host: string;
  private base = '';
  private authorization = '';
  private readonly credentials: Credentials | undefined;

  /** credentials: instead of those that are kept somewhere. */
  constructor(private readonly name: string, private readonly env: Env, private readonly send: Fetch = fetch, credentials?: Credentials) {
    this.host = name === HUB ? HUB_HOST : name;
    this.credentials = credentials ?? findCredentials(name, env);
  }

  /** Does the registry take the credentials? Throws when not. */
  async check(): Promise<void> {
    let response = await this.request('/v2/', {});
    if (response.status === 401) {
      await response.body?.cancel();
      await this.authorize(response.headers.get('www-authenticate') ?? '', undefined);
      response = await this.request('/v2/', {});
    }
    await response.body?.cancel();
    if (response.status === 401 || response.status === 403) throw new RegistryError(`${this.name} does not take this name and password`, response.status, false);
    if (!response.ok) throw new RegistryError(`${this.name} answers ${response.status}; is it a registry?`, response.status, false);
  }

  /** Manifest or index by tag or digest, checked against the digest. */
  async manifest(ref: Reference, want: string): Promise<Fetched> {
    const response = await this.get(ref, `manifests/${want}`, { accept: ACCEPT });
    const bytes = await this.body(response);
    const digest = digestOf(bytes);
    const promised = want.startsWith('sha256:') ? want : response.headers.get('docker-content-digest') ?? '';
    if (promised.startsWith('sha256:') && promised !== digest) throw new ImageError(`the manifest that ${this.name} sends is damaged: it should be ${promised} and is ${digest}`);
    return { bytes, digest, mediaType: (response.headers.get('content-type') ?? '').split(';', 1)[0]?.trim() ?? '' };
  }

  /** A small blob as a whole. */
  async document(ref: Reference, digest: Digest): Promise<Buffer> {
    const bytes = await this.body(await this.get(ref, `blobs/${digest}`, {}));
    if (digestOf(bytes) !== digest) throw new ImageError(`the configuration that ${this.name} sends is damaged: it should be ${digest} and is ${digestOf(bytes)}`);
    return bytes;
  }

  /** A blob from byte `start` on, if the registry can; the response says whether it did (206). */
  blob(ref: Reference, digest: Digest, start: number, signal: AbortSignal): Promise<Response> {
    return this.get(ref, `blobs/${digest}`, start > 0 ? { range: `bytes=${start}-` } : {}, signal);
  }

  private async body(response: Response): Promise<Buffer> {
    try {
      return await readAll(response, DOCUMENT_MAX);
    } catch (error) {
      if (error instanceof ImageError) throw error;
      throw new RegistryError(`the connection to ${this.name} broke: ${networkText(error)}`, 0, true, { cause: error });
    }
  }

  private async get(ref: Reference, path: string, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    const url = `/v2/${ref.repository}/${path}`;
    let response = await this.request(url, headers, signal);
    if (response.status === 401) {
      await response.body?.cancel();
      await this.authorize(response.headers.get('www-authenticate') ?? '', ref);
      response = await this.request(url, headers, signal);
    }
    if (response.ok) return response;
    throw await this.refusal(response, ref, path);
  }

  private async refusal(response: Response, ref: Reference, path: string): Promise<ImageError> {
    const { status } = response;
    const said = await this.complaint(response);
    const image = `${this.name}/${ref.repository}`;
    if (status === 401 || status === 403) return new RegistryError(`${this.name} refuses access to ${ref.repository}${said}; carrick login stores a password`, status, false);
    if (status === 404 && path.startsWith('manifests/')) return new RegistryError(`there is no image ${image}${ref.digest === undefined ? `:${ref.tag}` : `@${ref.digest}`}${said}`, status, false);
    return new RegistryError(`${this.name} answers ${status} to ${path}${said}`, status, status >= 500 || status === 429);
  }

  /** The registry's own words, if it has any. */
  private async complaint(response: Response): Promise<string> {
    try {
      const doc = JSON.parse((await readAll(response, 65536)).toString('utf8')) as { errors?: ReadonlyArray<{ code?: unknown; message?: unknown }> };
      const first = doc.errors?.[0];
      const text = typeof first?.message === 'string' && first.message !== '' ? first.message : first?.code;
      return typeof text === 'string' ? ` (${text.replace(/[^\P{C}]/gu, ' ').slice(0, 200)})` : '';
    } catch (error) {
      if (error instanceof Error) return '';
      throw error;
    }
  }

  private async request(url: string, headers: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    if (this.base === '') await this.findBase();
    const all: Record<string, string> = { 'user-agent': USER_AGENT, ...headers };
    if (this.authorization !== '') all['authorization'] = this.authorization;
    return this.fetch(`${this.base}${url}`, { headers: all, ...(signal === undefined ? {} : { signal }) });
  }

  private async fetch(url: string, init: RequestInit): Promise<Response> {
    try {
      return await this.send(url, { signal: AbortSignal.timeout(SILENCE_MS), ...init });
    } catch (error) {
      throw new RegistryError(`cannot reach ${new URL(url).host}: ${networkText(error)}`, 0, true, { cause: error });
    }
  }

  /** HTTPS, unless the host may be asked in the open and does not speak it. */
  private async findBase(): Promise<void> {
    const secure = `https://${this.host}`;
    if (!isInsecure(this.host, this.env)) { this.base = secure; return; }
    try {
      await (await this.send(`${secure}/v2/`, { signal: AbortSignal.timeout(SILENCE_MS) })).body?.cancel();
      this.base = secure;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.base = `http://${this.host}`;
    }
  }

  // ---- who we are ----

  private basic(): string {
    const c = this.credentials;
    return c === undefined || c.user === '' ? '' : `Basic ${Buffer.from(`${c.user}:${c.password}`).toString('base64')}`;
  }

  private async authorize(header: string, ref: Reference | undefined): Promise<void> {
    const challenges = parseChallenges(header);
    const bearer = challenges.find((c) => c.scheme === 'bearer');
    if (bearer !== undefined) { this.authorization = `Bearer ${await this.token(bearer, ref)}`; return; }
    // No credentials, or no challenge: the second answer will be 401 as well, and is told.
    this.authorization = challenges.some((c) => c.scheme === 'basic') ? this.basic() : '';
  }

  /** Docker registry token authentication: GET with Basic, or POST with a refresh token. */
  private async token(challenge: Challenge, ref: Reference | undefined): Promise<string> {
    const { realm = '', service = '' } = challenge.params;
    const scope = challenge.params['scope'] ?? (ref === undefined ? '' : `repository:${ref.repository}:pull`);
    const url = URL.canParse(realm) ? new URL(realm) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) throw new ImageError(`${this.name} names no token server`);
    if (url.protocol === 'http:' && !isInsecure(url.host, this.env)) {
      throw new ImageError(`${this.name} wants its password sent in the open, to ${url.host}; CARRICK_INSECURE_REGISTRIES can allow that`);
    }
    const refresh = this.credentials?.refreshToken ?? '';
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refresh, service, scope, client_id: 'carrick' });
    const response = refresh !== '' ? await this.fetch(url.href, { method: 'POST', body })
      : await this.fetch(tokenUrl(url, service, scope), { headers: { 'user-agent': USER_AGENT, ...(this.basic() === '' ? {} : { authorization: this.basic() }) } });
    if (!response.ok && ref === undefined) throw new RegistryError(`${this.name} does not take this name and password`, response.status, false);
    if (!response.ok && ref !== undefined) throw await this.refusal(response, ref, 'the request for a token');
    const doc = JSON.parse((await this.body(response)).toString('utf8')) as { token?: unknown; access_token?: unknown };
    const token = doc.token ?? doc.access_token;
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw new ImageError(`the token server of ${this.name} sends no token`);
    return token;
  }
}

function tokenUrl(url: URL, service: string, scope: string): string {
  const u = new URL(url);
  if (service !== '') u.searchParams.set('service', service);
  for (const one of scope.split(' ')) if (one !== '') u.searchParams.append('scope', one);
  return u.href;
}
