/** A tree of stacks with the time spent in each, from the program down to its innermost function or the part of a system call. */

export class StackNode {
  /** Time here and in nothing below, ns. */
  selfNs = 0;
  readonly children = new Map<string, StackNode>();

  constructor(readonly name: string) {}

  child(name: string): StackNode {
    let node = this.children.get(name);
    if (node === undefined) this.children.set(name, node = new StackNode(name));
    return node;
  }

  /** Add time to a stack, outermost first. */
  add(stack: readonly string[], ns: number): void {
    let node: StackNode = this;
    for (const name of stack) node = node.child(name);
    node.selfNs += ns;
  }

  /** Time here and below. */
  totalNs(): number {
    let sum = this.selfNs;
    for (const node of this.children.values()) sum += node.totalNs();
    return sum;
  }

  /** Every stack below this node that has time of its own. */
  *stacks(above: readonly string[] = []): IterableIterator<readonly [stack: readonly string[], ns: number]> {
    if (this.selfNs > 0 && above.length > 0) yield [above, this.selfNs];
    for (const node of this.children.values()) yield* node.stacks([...above, node.name]);
  }
}
