/** The part of a guest's address space that is not the guest's: the stub and what it needs. It is mapped in every guest process, and shown to none. */
import * as L from './gen/layout.js';

/** Its end; it begins at STUB_ADDR. */
export const STUB_END = L.STUB_ADDR + L.STUB_RANGE;

/** Is any of the `len` bytes at `addr` in it? */
export const inStub = (addr: number, len: number): boolean => addr + len > L.STUB_ADDR && addr < STUB_END;
