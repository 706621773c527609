/** Objects by small id, ids reused: what ofd.obj names. Id 0 is never used. */
export class Slab<T> {
  private readonly items: Array<T | undefined> = [undefined];
  private readonly free: number[] = [];

  add(item: T): number {
    const id = this.free.pop() ?? this.items.length;
    this.items[id] = item;
    return id;
  }

  get(id: number): T | undefined { return this.items[id]; }

  remove(id: number): T | undefined {
    const item = this.items[id];
    if (item === undefined) return undefined;
    this.items[id] = undefined;
    this.free.push(id);
    return item;
  }
}
