/** What Node 20 has and its type package lacks. */
export {};

declare global {
  interface Buffer {
    /** Bytes start..end as latin1: what toString('latin1') calls, without its checks (STYLE H4). */
    latin1Slice(start?: number, end?: number): string;
    /** Bytes written of text as latin1 at offset. */
    latin1Write(text: string, offset?: number, length?: number): number;
  }

  /** Of the DOM; comlink's types name it. */
  type EventListenerOrEventListenerObject = ((event: Event) => void) | { handleEvent(event: Event): void };
}
