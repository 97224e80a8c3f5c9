import { sampledChecksum } from './checksum.ts';
import type { Fields } from './fields.ts';
import { firstValue } from './fields.ts';
import { correctedInitialAge, dateValue, freshnessLifetime } from './freshness.ts';
import type { FreshnessLifetime, HeuristicPolicy, InvalidAge } from './freshness.ts';
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

/** Bytes that a stored response costs beside its body and text: objects, arrays, map and list entries. */
export const ENTRY_OVERHEAD = 1680;
/** Bodies up to this are also kept as a string: see `StoredResponse.text`. */
export const SMALL_BODY = 4096;
/** Bytes for one string of a field line. */
const STRING_OVERHEAD = 32;
/** Bytes for one chunk object. */
const CHUNK_OVERHEAD = 160;

/**
 * One stored response: a head prepared for writing, its body in the chunks that came, and what decides its reuse.
 * All times are epoch milliseconds, all spans milliseconds.
 */
export class StoredResponse {
  // What every hit looks at stands first, side by side in memory: in a large store each further cache line
  // costs as much as the rest of the look-up.

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
  /** Stored field lines without `Content-Length`, `Age` and hop-by-hop fields; see `storedFields`. */
  fields: Fields = NOTHING;
  /** Body as it came. Shared by all readers: never changed. */
  chunks: Uint8Array[] = [];
  /** Bytes of the body so far. */
  length = 0;
  /** The body has arrived whole. */
  complete = false;
  /** Made when first asked for, like all below: much of what is stored is never asked for again. */
  #head = '';
  #text: string | undefined = undefined;
  // The last lines written for a hit: they change once a second.
  #hitAge = -1;
  #hitLines = '';
  #hitStatus = '';

  // Everything else.

  /** Primary key of the resource. */
  readonly key: string;
  /** Length that the backend announced, or -1. */
  announcedLength = -1;
  /** No longer to be used: removed, replaced or invalidated while somebody still held it. */
  discarded = false;
  /** Clock when the request was forwarded (RFC 9111 §4.2.3). */
  requestTime = 0;
  /** Clock when the head was received or last validated (§4.2.3). */
  responseTime = 0;
  /** `Date`, or the time of receipt. */
  date = 0;
  /** Freshness lifetime (§4.2.1). */
  lifetime = 0;
  lifetimeSource: FreshnessLifetime['source'] = 'none';
  /** Stale may be served, while validating, up to then (RFC 5861 §3). */
  staleWhileRevalidateUntil = 0;
  /** Stale may be served on errors up to then (RFC 5861 §4). */
  staleIfErrorUntil = 0;
  /** Never stale without validation: `must-revalidate`, `proxy-revalidate`, `s-maxage` (§5.2.2). */
  mustRevalidate = false;
  /** `immutable` (RFC 8246). */
  immutable = false;
  etag: string | undefined = undefined;
  lastModified: string | undefined = undefined;
  /** Values of those fields in the request (§4.1). */
  variantKey = '';
  /** Tags for purging. */
  tags: readonly string[] = NOTHING;
  /** A background validation is on its way until then (RFC 5861 §3), so that there is only one. */
  revalidatingUntil = 0;
  /** Sampled checksum of the body, or -1 when it is not checked. */
  checksum = -1;
  #notModifiedHead = '';
  #textLength = 0;

  constructor(key: string, status: number, reason: string) {
    this.key = key;
    this.status = status;
    this.reason = reason;
  }

  /** Takes over field lines and all that follows from them. */
  describe(
    fields: Fields,
    received: Fields,
    directives: ResponseDirectives,
    requestTime: number,
    responseTime: number,
    policy: FreshnessPolicy,
  ): void {
    this.fields = fields;
    this.requestTime = requestTime;
    this.responseTime = responseTime;
    this.date = dateValue(fields, responseTime);
    const freshness = freshnessLifetime(this.status, fields, directives, responseTime, policy);
    this.lifetime = freshness.lifetime;
    this.lifetimeSource = freshness.source;
    const initialAge = correctedInitialAge(received, requestTime, responseTime, policy.invalidAge);
    this.ageBase = responseTime - initialAge;
    this.freshUntil = this.ageBase + this.lifetime;
    this.noCache = directives.noCache;
    this.immutable = directives.immutable;
    this.mustRevalidate = forbidsStale(directives, policy);
    const whileRevalidate = Math.max(0, directives.staleWhileRevalidate) * 1000;
    const ifError = (directives.staleIfError < 0 ? policy.staleIfError : directives.staleIfError) * 1000;
    const staleAllowed = !this.mustRevalidate && !this.noCache;
    this.staleWhileRevalidateUntil = this.freshUntil + (staleAllowed ? whileRevalidate : 0);
    this.staleIfErrorUntil = this.freshUntil + (staleAllowed ? ifError : 0);
    this.etag = firstValue(fields, 'etag');
    this.lastModified = firstValue(fields, 'last-modified');
    let length = 64;
    for (let i = 0; i < fields.length; i++) length += (fields[i] as string).length + 2;
    this.#textLength = length;
    this.#forget();
  }

  /** The body is whole: from now on the response can be served from the store. */
  finish(): void {
    this.complete = true;
    this.checksum = sampledChecksum(this.chunks, this.length);
    this.#forget();
  }

  /** Status line and field lines, with `Content-Length` if the length is known; no empty line at the end. */
  get head(): string {
    if (this.#head === '') {
      const length = this.framedLength;
      const fields = length >= 0 ? [...this.fields, 'Content-Length', String(length)] : this.fields;
      this.#head = headOf(this.status, this.reason, fields);
    }
    return this.#head;
  }

  /** The same for a 304 made from this response. */
  get notModifiedHead(): string {
    if (this.#notModifiedHead === '') {
      this.#notModifiedHead = headOf(304, 'Not Modified', notModifiedFields(this.fields));
    }
    return this.#notModifiedHead;
  }

  /**
   * A complete small body as a latin1 string, byte for byte, so that it can leave in one write with the head;
   * `undefined` for others.
   */
  get text(): string | undefined {
    if (this.#text === undefined && this.complete && this.length <= SMALL_BODY) {
      this.#text = Buffer.concat(this.chunks).toString('latin1');
    }
    return this.#text;
  }

  /** Value for `Content-Length`, or -1: not known as yet, or none because of the status (RFC 9110 §8.6). */
  get framedLength(): number {
    if (this.status === 204) return -1;
    return this.complete ? this.length : this.announcedLength;
  }

  /** Current age in whole seconds (RFC 9111 §4.2.3), 0 or more. */
  age(now: number): number {
    const age = Math.floor((now - this.ageBase) / 1000);
    return age > 0 ? Math.min(age, 2_147_483_648) : 0;
  }

  /** Remaining freshness in whole seconds, negative when stale (RFC 9211 §2.4). */
  ttl(now: number): number {
    return Math.max(-2_147_483_648, Math.floor((this.freshUntil - now) / 1000));
  }

  /** `Age` and `Cache-Status` lines of a hit, made once a second. `member` is the cache's name as it is written. */
  hitLines(now: number, member: string): string {
    const age = this.age(now);
    if (age !== this.#hitAge) this.#renewHit(age, now, member);
    return this.#hitLines;
  }

  /** The `Cache-Status` member of a hit; same renewal as {@link hitLines}. */
  hitStatus(now: number, member: string): string {
    const age = this.age(now);
    if (age !== this.#hitAge) this.#renewHit(age, now, member);
    return this.#hitStatus;
  }

  /** To be treated as stale from `now` on: a HEAD response disagreed with it (RFC 9111 §4.3.5). */
  expire(now: number): void {
    this.freshUntil = Math.min(this.freshUntil, now);
    this.staleWhileRevalidateUntil = this.freshUntil;
    this.#hitAge = -1;
  }

  /** Whether it may be shared with requests that arrived before it did: fresh, and not to be validated first (§4). */
  isShareable(now: number): boolean {
    return !this.noCache && now < this.freshUntil;
  }

  /** Of no use any more: stale, past every `stale-*`, and not worth a validation. `keepStale` in milliseconds. */
  isUseless(now: number, keepStale: number): boolean {
    const usable = Math.max(this.freshUntil, this.staleWhileRevalidateUntil, this.staleIfErrorUntil);
    const validator = this.etag !== undefined || this.lastModified !== undefined;
    return now >= (validator ? usable + keepStale : usable);
  }

  /** Bytes that this response counts for: body, text, key and overhead. */
  get bytes(): number {
    // Text counts for the field lines, the head and the head of a 304, made or not, so that it stays the same.
    const text = this.#textLength * 3 + this.key.length + this.variantKey.length;
    const strings = this.fields.length + this.tags.length * 4;
    const objects = strings * STRING_OVERHEAD + this.chunks.length * CHUNK_OVERHEAD;
    const body = this.length <= SMALL_BODY ? this.length * 2 : this.length;
    return ENTRY_OVERHEAD + text + objects + body;
  }

  #renewHit(age: number, now: number, member: string): void {
    this.#hitAge = age;
    this.#hitStatus = `${member}; hit; ttl=${this.ttl(now)}`;
    this.#hitLines = `Age: ${age}\r\nCache-Status: ${this.#hitStatus}\r\n`;
  }

  #forget(): void {
    this.#hitAge = -1;
    this.#head = '';
    this.#notModifiedHead = '';
  }
}

/** RFC 9111 §4.2.4 with §5.2.2.2, §5.2.2.8 and §5.2.2.10. */
function forbidsStale(directives: ResponseDirectives, policy: FreshnessPolicy): boolean {
  if (directives.mustRevalidate || directives.proxyRevalidate) return true;
  return directives.sMaxage >= 0 && !policy.staleDespiteSMaxage;
}
