/**
 * Row allocation for tables whose only writer is the kernel worker (task, tg, cred).
 *
 * Low rows first, because readers scan up to the highest row ever used (shared/tasks.ts). A freed row rests until REST others have been
 * freed after it: messages that name a dead process by its row then find a free row, not a stranger. Its words stay as they were until
 * the row is taken again, so a late reader of SIG_CHILD still sees the pid.
 */

/** Rows that must be resting before the oldest of them is used again. */
const REST = 48;

export class RowPool {
  private readonly resting: number[] = [];
  private top = 1;

  /** rows: of the table, row 0 is never used. onTop: told the new bound of used rows. */
  constructor(private readonly rows: number, private readonly onTop: (top: number) => void) {}

  /** A row, or 0 when the table is full. */
  alloc(): number {
    if (this.resting.length > REST || this.top >= this.rows) {
      const r = this.resting.shift();
      if (r !== undefined) return r;
    }
    if (this.top >= this.rows) return 0;
    const r = this.top++;
    this.onTop(this.top);
    return r;
  }

  free(row: number): void { this.resting.push(row); }
}
