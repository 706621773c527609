/** Digests: "sha256:" and 64 hexadecimal digits, the only algorithm that images use in practice. */
import { createHash } from 'node:crypto';
import { ImageError } from './error.js';

declare const digestBrand: unique symbol;
/** Checked text of a digest. Its hex part is safe as a file name. */
export type Digest = string & { readonly [digestBrand]: true };

const FORM = /^sha256:[0-9a-f]{64}$/;

export function parseDigest(text: unknown, what: string): Digest {
  if (typeof text === 'string' && FORM.test(text)) return text as Digest;
  throw new ImageError(`${what} has a bad digest (${JSON.stringify(text)?.slice(0, 100) ?? 'none'}); only sha256 is known`);
}

export const isDigest = (text: string): text is Digest => FORM.test(text);

/** File name of a digest. */
export const hexOf = (digest: Digest): string => digest.slice('sha256:'.length);

/** As shown to people: 12 digits. */
export const shortId = (digest: Digest): string => hexOf(digest).slice(0, 12);

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}
