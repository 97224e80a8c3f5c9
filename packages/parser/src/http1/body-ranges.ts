/** Where in a chunk body bytes are: start and end of each range in turn. */
export class BodyRanges {
  /** Ranges held. */
  count: number;
  /** Sum of their bytes. */
  bytes: number;
  readonly #bounds: number[];

  constructor() {
    this.count = 0;
    this.bytes = 0;
    this.#bounds = [];
  }

  clear(): void {
    this.count = 0;
    this.bytes = 0;
  }

  add(start: number, end: number): void {
    const at = this.count * 2;
    this.#bounds[at] = start;
    this.#bounds[at + 1] = end;
    this.count++;
    this.bytes += end - start;
  }

  start(index: number): number {
    return this.#bounds[index * 2] as number;
  }

  end(index: number): number {
    return this.#bounds[index * 2 + 1] as number;
  }

  /** Copies all ranges of `chunk` to `target` from `at` on, and returns where they end there. */
  copy(chunk: Buffer, target: Buffer, at: number): number {
    let to = at;
    for (let i = 0; i < this.count; i++) to += chunk.copy(target, to, this.start(i), this.end(i));
    return to;
  }
}
