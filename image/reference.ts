/**
 * Names of images, as docker reads them: [HOST[:PORT]/]PATH[:TAG][@DIGEST]. A first component is a host when it has a dot or a port, or is
 * "localhost"; without one the image is Docker Hub's, where a name of one component means library/NAME. Grammar: the distribution
 * project's reference format.
 */
import { type Digest, isDigest } from './digest.js';
import { ImageError } from './error.js';

export interface Reference {
  /** HOST[:PORT], "docker.io" when none was written. */
  readonly registry: string;
  /** Path in the registry. */
  readonly repository: string;
  /** "" when only a digest was given. */
  readonly tag: string;
  readonly digest: Digest | undefined;
}

const HUB = 'docker.io';
const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
/** Longest name, host included. */
const NAME_MAX = 255;

export function parseReference(text: string): Reference {
  const bad = (why: string): never => { throw new ImageError(`bad image name "${text}": ${why}; write [HOST[:PORT]/]NAME[:TAG][@sha256:DIGEST]`); };
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) return bad('the digest must be sha256: and 64 hexadecimal digits');
  let rest = at < 0 ? text : text.slice(0, at);
  const colon = rest.lastIndexOf(':');
  let tag = '';
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!TAG.test(tag)) return bad('the tag may have letters, digits, "_", "." and "-", up to 128');
  }
  const slash = rest.indexOf('/');
  const first = slash < 0 ? '' : rest.slice(0, slash);
  const hasHost = first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first;
  let registry = hasHost ? first : HUB;
  let repository = hasHost ? rest.slice(slash + 1) : rest;
  if (hasHost && !HOST.test(registry)) return bad('no such host is possible');
  if (registry === 'index.docker.io' || registry === 'registry-1.docker.io') registry = HUB;
  if (registry === HUB && !repository.includes('/') && repository !== '') repository = `library/${repository}`;
  if (repository === '') return bad('there is no name');
  if (`${registry}/${repository}`.length > NAME_MAX) return bad(`it is longer than ${NAME_MAX} characters`);
  for (const part of repository.split('/')) if (!COMPONENT.test(part)) return bad('names are lower-case letters, digits and single separators "." "_" "-"');
  return { registry, repository, tag: tag === '' && digest === undefined ? 'latest' : tag, digest };
}

/** The one spelling by which an image is known in the store. */
export function canonical(ref: Reference): string {
  return `${ref.registry}/${ref.repository}${ref.tag === '' ? '' : `:${ref.tag}`}${ref.digest === undefined ? '' : `@${ref.digest}`}`;
}

/** The shortest spelling that means the same, for people. */
export function familiar(ref: Reference): string {
  const name = familiarName(ref);
  return `${name}${ref.tag === '' ? '' : `:${ref.tag}`}${ref.digest === undefined ? '' : `@${ref.digest}`}`;
}

export function familiarName(ref: Reference): string {
  if (ref.registry !== HUB) return `${ref.registry}/${ref.repository}`;
  return ref.repository.replace(/^library\//, '');
}
