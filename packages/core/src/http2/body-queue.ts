/** The part of a stream's body that waits for flow control or for the socket, by reference. */
export class BodyQueue {
  #chunks: Buffer[] = [];
  /** Octets of the first chunk that are gone already. */
  #from = 0;
  /** Octets that wait. */
  length = 0;

  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.length += chunk.length;
  }

  /** The first chunk that waits; there must be one. */
  get first(): Buffer {
    return this.#chunks[0]!;
  }

  /** Where in `first` what waits begins. */
  get offset(): number {
    return this.#from;
  }

  /** `octets` of `first` were sent. */
  consume(octets: number): void {
    this.length -= octets;
    this.#from += octets;
    if (this.#from < this.#chunks[0]!.length) return;
    this.#chunks.shift();
    this.#from = 0;
  }

  clear(): void {
    if (this.length === 0) return;
    this.#chunks = [];
    this.#from = 0;
    this.length = 0;
  }
}
