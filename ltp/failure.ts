/** Something that the person who started the command has to know and can mend: printed as one line, without a stack. */
export class Failure extends Error {}

/** What `f` returns; what it throws becomes a Failure that says what it was about. */
export function told<T>(about: string, f: () => T): T {
  try {
    return f();
  } catch (e) {
    throw new Failure(`${about}: ${e instanceof Error ? e.message : String(e)}`);
  }
}
