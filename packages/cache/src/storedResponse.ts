import type { PrimaryKey } from './cacheKey.ts';
import { sampledChecksum } from './checksum.ts';
import { MAX_DELTA_SECONDS as MAX_SECONDS } from './deltaSeconds.ts';
import type { Fields } from './fields.ts';
import { fieldIndex, firstValue } from './fields.ts';
import { correctedInitialAge, dateValue, freshnessLifetime } from './freshness.ts';
import type { HeuristicPolicy, InvalidAge } from './freshness.ts';
import { copyText, flatText } from './latin1.ts';
import { cutFields, type Cut } from './recentFields.ts';
import type { ResponseDirectives } from './responseDirectives.ts';
import { headOf, notModifiedFields } from './storedFields.ts';

/** What of the options decides how a stored response ages. */
export interface FreshnessPolicy extends HeuristicPolicy {
  readonly invalidAge: InvalidAge;
  /** `stale-while-revalidate` and `stale-if-error` count also beside `s-maxage`; against RFC 9111 §5.2.2.10. */
  readonly staleDespiteSMaxage: boolean;
  /** `stale-if-error` in seconds of responses that do not say; 0 is none. */
  readonly staleIfError: number;
}

const NOTHING: readonly string[] = [];

/** Bytes that a stored response costs beside its body and text: objects, arrays, table and list entries. */
export const ENTRY_OVERHEAD = 560;
/** Bodies up to this are kept as a latin1 string, so that they leave in one write with their head. */
export const SMALL_BODY = 4096;
/** Bytes for one string beside its characters. */
const STRING_OVERHEAD = 32;
/** Room for a `Content-Length` line. */
const LENGTH_LINE = 24;
/** Bytes for one chunk object. */
const CHUNK_OVERHEAD = 160;

/**
 * One stored response: a head prepared for writing, its body in the chunks that came, and what decides its reuse.
 * All times are epoch milliseconds, all spans milliseconds.
 */
export class StoredResponse implements PrimaryKey {
  // What every hit looks at stands first, side by side in memory: in a large store each further cache line
  // costs as much as the rest of the look-up.

  /** The primary key in two parts: `scheme://authority`, and path with query. */
  readonly origin: string;
  readonly target: string;
  readonly hash: number;
  /** Looked up since the store looked at it last. For the store. */
  used = false;
  /** All responses under the same key, this one first; `undefined` where there is no other. For the store. */
  variants: readonly StoredResponse[] | undefined = undefined;
  /** Names that `Vary` nominates, sorted; empty without `Vary`. */
  vary: readonly string[] = NOTHING;
  /** Unqualified `no-cache`: validate on every use (§5.2.2.4). */
  noCache = false;
  /** The moment from which on the response is stale. */
  freshUntil = 0;
  /** Response time less corrected initial age: the age is the time since then. `-Infinity` counts as stale. */
  ageBase = 0;
  readonly status: number;
  readonly reason: string;
  /** The body as latin1 text, as long as it is small; `undefined`: it is in {@link chunks}. */
  text: string | undefined = '';
  /** A larger body as it came. Shared by all readers: never changed. */
  chunks: Uint8Array[] = [];
  /** Bytes of the body so far. */
  length = 0;
  /** The body has arrived whole. */
  complete = false;
  #head = '';

  // Everything else.

  /** Length that the backend announced, or -1. */
  announcedLength = -1;
  /** No longer to be used: removed, replaced or invalidated while somebody still held it. */
  discarded = false;
  /** Clock when the head was received or last validated (§4.2.3). */
  responseTime = 0;
  /** `Date`, or the time of receipt. */
  date = 0;
  /** Stale may be served, while validating, up to then (RFC 5861 §3). */
  staleWhileRevalidateUntil = 0;
  /** Stale may be served on errors up to then (RFC 5861 §4). */
  staleIfErrorUntil = 0;
  /** Never stale without validation: `must-revalidate`, `proxy-revalidate`, `s-maxage` (§5.2.2). */
  mustRevalidate = false;
  /** `immutable` (RFC 8246). */
  immutable = false;
  /** There is `ETag` or `Last-Modified` to validate it by. */
  hasValidator = false;
  /** Values of those fields in the request (§4.1). */
  variantKey = '';
  /** Tags for purging. */
  tags: readonly string[] = NOTHING;
  /** A background validation is on its way until then (RFC 5861 §3), so that there is only one. */
  revalidatingUntil = 0;
  /** Sampled checksum of the chunks, or -1 when there is nothing to check: text cannot be written over. */
  checksum = -1;
  #cut: Cut | undefined = undefined;
  /** Characters of the head without `Content-Length`. */
  #headLength = 0;

  constructor(key: PrimaryKey, status: number, reason: string) {
    this.origin = key.origin;
    // Cut from a request, which it would keep alive.
    this.target = copyText(key.target);
    this.hash = key.hash;
    this.status = status;
    this.reason = reason;
  }

  /** Primary key of the resource as one text. */
  get key(): string {
    return this.origin + this.target;
  }

  /**
   * Takes over a head and all that follows from it.
   *
   * @param head status line and stored field lines, without `Content-Length`.
   * @param fields the same apart; further ones that are never stored do not matter.
   * @param received the fields of the message that brought this about.
   */
  describe(
    head: string,
    fields: Fields,
    received: Fields,
    directives: ResponseDirectives,
    requestTime: number,
    responseTime: number,
    policy: FreshnessPolicy,
  ): void {
    this.#cut = undefined;
    this.responseTime = responseTime;
    this.date = dateValue(fields, responseTime);
    const { lifetime } = freshnessLifetime(this.status, fields, directives, responseTime, policy);
    const initialAge = correctedInitialAge(received, requestTime, responseTime, policy.invalidAge);
    this.ageBase = responseTime - initialAge;
    this.freshUntil = this.ageBase + lifetime;
    this.noCache = directives.noCache;
    this.immutable = directives.immutable;
    this.mustRevalidate = forbidsStale(directives, policy);
    const whileRevalidate = Math.max(0, directives.staleWhileRevalidate) * 1000;
    const ifError = (directives.staleIfError < 0 ? policy.staleIfError : directives.staleIfError) * 1000;
    const staleAllowed = !this.mustRevalidate && !this.noCache;
    this.staleWhileRevalidateUntil = this.freshUntil + (staleAllowed ? whileRevalidate : 0);
    this.staleIfErrorUntil = this.freshUntil + (staleAllowed ? ifError : 0);
    this.hasValidator = fieldIndex(fields, 'etag') >= 0 || fieldIndex(fields, 'last-modified') >= 0;
    this.#headLength = head.length;
    this.#head = head;
    if (this.complete) this.#settle();
  }

  /** The body is whole: from now on the response can be served from the store. */
  finish(): void {
    this.complete = true;
    if (this.text === undefined) this.checksum = sampledChecksum(this.chunks, this.length);
    this.#settle();
  }

  /** Stored field lines without `Content-Length`, `Age` and hop-by-hop fields, flat; see `storedFields`. */
  get fields(): Fields {
    const known = this.#cut?.fields;
    if (known !== undefined) return known;
    this.#cut = cutFields(this.#head.slice(0, this.#headLength));
    return this.#cut.fields as Fields;
  }

  /** `ETag`, if there is one. */
  get etag(): string | undefined {
    return this.hasValidator ? firstValue(this.fields, 'etag') : undefined;
  }

  /** `Last-Modified`, if there is one. */
  get lastModified(): string | undefined {
    return this.hasValidator ? firstValue(this.fields, 'last-modified') : undefined;
  }

  /** Status line and field lines, with `Content-Length` if the length is known; no empty line at the end. */
  get head(): string {
    return this.complete ? this.#head : this.#head + this.#lengthLine();
  }

  /** The same for a 304 made from this response. */
  get notModifiedHead(): string {
    return headOf(304, 'Not Modified', notModifiedFields(this.fields));
  }

  /** The body so far as bytes. */
  get body(): readonly Uint8Array[] {
    if (this.text === undefined) return this.chunks;
    return this.length === 0 ? [] : [Buffer.from(this.text, 'latin1')];
  }

  /** Value for `Content-Length`, or -1: not known as yet, or none because of the status (RFC 9110 §8.6). */
  get framedLength(): number {
    if (this.status === 204) return -1;
    return this.complete ? this.length : this.announcedLength;
  }

  /** Current age in whole seconds (RFC 9111 §4.2.3), 0 or more. */
  age(now: number): number {
    const age = Math.floor((now - this.ageBase) / 1000);
    return age > 0 ? Math.min(age, MAX_SECONDS) : 0;
  }

  /** Remaining freshness in whole seconds, negative when stale (RFC 9211 §2.4). */
  ttl(now: number): number {
    const ttl = Math.floor((this.freshUntil - now) / 1000);
    return ttl < -MAX_SECONDS ? -MAX_SECONDS : Math.min(ttl, MAX_SECONDS);
  }

  /** To be treated as stale from `now` on: a HEAD response disagreed with it (RFC 9111 §4.3.5). */
  expire(now: number): void {
    this.freshUntil = Math.min(this.freshUntil, now);
    this.staleWhileRevalidateUntil = this.freshUntil;
  }

  /** Whether it may be shared with requests that arrived before it did: fresh, and not to be validated first (§4). */
  isShareable(now: number): boolean {
    return !this.noCache && now < this.freshUntil;
  }

  /** Of no use any more: stale, past every `stale-*`, and not worth a validation. `keepStale` in milliseconds. */
  isUseless(now: number, keepStale: number): boolean {
    if (now < this.freshUntil) return false;
    const usable = Math.max(this.freshUntil, this.staleWhileRevalidateUntil, this.staleIfErrorUntil);
    return now >= (this.hasValidator ? usable + keepStale : usable);
  }

  /** Bytes that this response counts for: body, text, key and overhead. */
  get bytes(): number {
    const text = this.#headLength + LENGTH_LINE + this.target.length + this.variantKey.length;
    let objects = this.chunks.length * CHUNK_OVERHEAD;
    for (const tag of this.tags) objects += tag.length + STRING_OVERHEAD * 4;
    return ENTRY_OVERHEAD + text + objects + this.length;
  }

  #lengthLine(): string {
    const length = this.framedLength;
    return length < 0 ? '' : `Content-Length: ${length}\r\n`;
  }

  /** Complete: its head will not change any more, so that it is worth to be one string. */
  #settle(): void {
    this.#head = flatText(this.#head + this.#lengthLine());
  }
}

/** RFC 9111 §4.2.4 with §5.2.2.2, §5.2.2.8 and §5.2.2.10. */
function forbidsStale(directives: ResponseDirectives, policy: FreshnessPolicy): boolean {
  if (directives.mustRevalidate || directives.proxyRevalidate) return true;
  return directives.sMaxage >= 0 && !policy.staleDespiteSMaxage;
}
