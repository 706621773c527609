/**
 * The schema language of shared memory.
 *
 * One declaration gives the TypeScript accessors (shared/gen/*.ts) and the C structs with their
 * static assertions (shared/gen/layout.h). Nobody types an offset (STYLE S1). A `struct` lives in memory
 * that guests map too (areas, slots, plans) and is read by C; a `table` lives in a SharedArrayBuffer that only the
 * workers see. Fields are laid out in order with natural alignment; every field's text names unit, writer and readers.
 */

export type Kind = 'u8' | 'i32' | 'u32' | 'u64' | 'f64';

export interface Field {
  readonly kind: Kind;
  /** Elements; 1 = a scalar. */
  readonly count: number;
  readonly doc: string;
}

export interface Layout {
  readonly form: 'struct' | 'table';
  /** snake_case; the C struct is `carrick_<name>`. */
  readonly name: string;
  readonly doc: string;
  /** Bytes per record, padding included. */
  readonly stride: number;
  /** Rows of a table; 0 for a struct. */
  readonly rows: number;
  readonly fields: Readonly<Record<string, Field>>;
}

export const SIZE: Readonly<Record<Kind, number>> = { u8: 1, i32: 4, u32: 4, u64: 8, f64: 8 };

const field = (kind: Kind) => (doc: string, count = 1): Field => ({ kind, count, doc });

export const u8 = field('u8');
export const i32 = field('i32');
export const u32 = field('u32');
/** A 64-bit word of guest-visible memory; TypeScript sees it as two u32 or as a Number below 2^53. */
export const u64 = field('u64');
/** A Number kept in a table: exact to 2^53; nanoseconds, addresses and sizes fit. */
export const f64 = field('f64');

export function struct(name: string, doc: string, stride: number, fields: Record<string, Field>): Layout {
  return { form: 'struct', name, doc, stride, rows: 0, fields };
}

export function table(name: string, doc: string, rows: number, stride: number, fields: Record<string, Field>): Layout {
  return { form: 'table', name, doc, stride, rows, fields };
}

export interface Placed extends Field {
  readonly field: string;
  /** Bytes from the start of the record. */
  readonly offset: number;
}

/** Offsets of a layout's fields; throws when they do not fit its stride (a mistake in the declaration). */
export function place(layout: Layout): readonly Placed[] {
  let off = 0;
  const placed: Placed[] = [];
  for (const [name, f] of Object.entries(layout.fields)) {
    const size = SIZE[f.kind];
    off = Math.ceil(off / size) * size;
    placed.push({ ...f, field: name, offset: off });
    off += size * f.count;
  }
  if (off > layout.stride) throw new Error(`${layout.name}: fields take ${off} bytes, stride is ${layout.stride}`);
  return placed;
}
