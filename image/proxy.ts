/**
 * fetch by way of the proxies that the environment names, which Node's own fetch does not look at: http_proxy, https_proxy and no_proxy, in capitals as well. A bundle of its
 * own (dist/image-proxy.mjs), loaded only where there is a proxy: the library is larger than the rest of carrick's command.
 *
 * Registries of this machine are asked directly, whatever no_proxy says.
 */
import { EnvHttpProxyAgent, fetch as fetchThrough } from 'undici';
import type { Env } from './auth.js';
import type { Fetch } from './registry.js';

const LOCAL = 'localhost,127.0.0.1,[::1]';

export function proxyFetch(env: Env): Fetch {
  const of = (name: string): string => env[name] ?? env[name.toUpperCase()] ?? '';
  const dispatcher = new EnvHttpProxyAgent({ httpProxy: of('http_proxy'), httpsProxy: of('https_proxy'), noProxy: of('no_proxy') === '*' ? '*' : `${LOCAL},${of('no_proxy')}` });
  // The library's Response is Node's: same code, another copy of its types.
  return async (url, init) => await fetchThrough(url, { ...init, dispatcher } as Parameters<typeof fetchThrough>[1]) as unknown as Response;
}
