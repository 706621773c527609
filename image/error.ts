/**
 * What may go wrong with an image, told to the user as one line: bad references, refused archives, registries that say no. Anything else
 * that is thrown here is a bug.
 */
export class ImageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ImageError';
  }
}

/** Text of a byte string of an archive, for messages: no control characters reach the terminal. */
export function shown(bytes: string): string {
  const text = Buffer.from(bytes, 'latin1').toString('utf8').replace(/[^\P{C}]/gu, '?');
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
