/** Numbers that must not be mixed up (STYLE N6). Brands cost nothing at run time. */
declare const brand: unique symbol;
type Brand<T extends string> = number & { readonly [brand]: T };

/** An address in a guest's memory, below 2^47. */
export type GuestPtr = Brand<'GuestPtr'>;
/** Row of an open file description in table ofd. */
export type OfdRow = Brand<'OfdRow'>;
/** Guest file descriptor. */
export type Fd = Brand<'Fd'>;
