import { forwardedMember, type Collapsed, type ForwardReason } from './cacheStatus.ts';

/** `Cache-Status` of a response that is passed on. */
export interface RelayLines {
  /** The member of this cache. */
  readonly status: string;
  /** Field lines, each with its CRLF. */
  readonly lines: string;
}

const DETAILS = 64;

/**
 * What is said of responses that are passed on. There are few different ones, and whoever gets the same string again
 * can tell at once that it is the same.
 */
export class RelayLinesMaker {
  readonly #member: string;
  readonly #xCacheStatus: boolean;
  readonly #stored: Map<ForwardReason, RelayLines> = new Map();
  readonly #notStored: Map<ForwardReason, Map<string, RelayLines>> = new Map();

  /** @param member the cache's name as it is written. */
  constructor(member: string, xCacheStatus: boolean) {
    this.#member = member;
    this.#xCacheStatus = xCacheStatus;
  }

  find(reason: ForwardReason, stored: boolean, collapsed: Collapsed, detail: string): RelayLines {
    if (collapsed !== 'no' || (stored && detail !== '')) return this.#make(reason, stored, collapsed, detail);
    let known: RelayLines | undefined;
    if (stored) {
      known = this.#stored.get(reason);
      if (known === undefined) this.#stored.set(reason, (known = this.#make(reason, true, 'no', '')));
      return known;
    }
    let details = this.#notStored.get(reason);
    if (details === undefined) this.#notStored.set(reason, (details = new Map()));
    known = details.get(detail);
    if (known !== undefined) return known;
    known = this.#make(reason, false, 'no', detail);
    if (details.size < DETAILS) details.set(detail, known);
    return known;
  }

  #make(reason: ForwardReason, stored: boolean, collapsed: Collapsed, detail: string): RelayLines {
    const status = forwardedMember(this.#member, reason, 0, stored, collapsed, detail);
    let lines = `Cache-Status: ${status}\r\n`;
    if (this.#xCacheStatus) lines += `X-Cache-Status: ${WORDS[reason]}\r\n`;
    return { status, lines };
  }
}

const WORDS: Readonly<Record<ForwardReason, string>> = {
  bypass: 'BYPASS',
  method: 'BYPASS',
  'uri-miss': 'MISS',
  'vary-miss': 'MISS',
  request: 'MISS',
  stale: 'EXPIRED',
};
