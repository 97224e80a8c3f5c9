import type { CacheDecision } from './decision.ts';
import type { CacheRequest } from './messages.ts';
import type { CacheParts } from './responseHandler.ts';
import { withResponse } from './selection.ts';
import type { StoredResponse } from './storedResponse.ts';
import type { StoreWriter, WriterTarget } from './storeWriter.ts';

/** What happens around one body that is being stored: accounting, followers, and the store in the end. */
export class StoreTask implements WriterTarget {
  readonly #decision: CacheDecision;
  readonly #parts: CacheParts;
  #counted = false;

  constructor(decision: CacheDecision, parts: CacheParts) {
    this.#decision = decision;
    this.#parts = parts;
  }

  reserve(bytes: number): boolean {
    return this.#parts.store.reserve(bytes);
  }

  release(bytes: number): void {
    this.#parts.store.release(bytes);
  }

  commit(stored: StoredResponse): void {
    const { store, log, options, stats } = this.#parts;
    // Purged or invalidated since the request went forward: it may describe the state before (RFC 9111 §4.4).
    if (stored.discarded || !log.isCurrent(this.#decision.sequence, stored)) {
      stats.abandoned++;
      return;
    }
    const request = this.#decision.request as CacheRequest;
    const responses = withResponse(
      store.peek(stored),
      stored,
      request.fields,
      options.varyNormalisation,
      options.maxVariants,
    );
    if (!store.set(stored, responses)) stats.abandoned++;
  }

  written(writer: StoreWriter): void {
    if (!this.#decision.leader) return;
    this.#decision.group?.written();
    if (writer.state === 'streaming') {
      this.#decision.group?.trim(writer.stored, this.#parts.options.maxEntrySize);
    }
  }

  stoppedKeeping(writer: StoreWriter): void {
    this.#abandoned();
    const group = this.#decision.leader ? this.#decision.group : undefined;
    if (group?.stoppedKeeping() === true) return;
    writer.stored.chunks = [];
    writer.abort();
  }

  aborted(_writer: StoreWriter): void {
    this.#abandoned();
    if (this.#decision.leader) this.#decision.group?.truncated();
  }

  #abandoned(): void {
    if (!this.#counted) this.#parts.stats.abandoned++;
    this.#counted = true;
  }
}
