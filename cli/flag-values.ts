/** How commander reads the values of flags that may be repeated, or are numbers. */
import { toText } from './bytes.js';
import { Failure } from './failure.js';

/** All values of a flag, in order. */
export const collect = (value: string, before: readonly string[] | undefined): string[] => [...before ?? [], value];

export function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Failure(`bad number "${toText(text)}"`);
  return Number(text);
}
