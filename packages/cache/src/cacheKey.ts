import { hashText } from './hashTable.ts';
import { copyText } from './latin1.ts';

/** What resources are stored under: the target URI (RFC 9111 §2) in two parts, with a hash of both. */
export interface PrimaryKey {
  /** `scheme://authority`. Empty: all of the key is in `target`. */
  readonly origin: string;
  /** Path and query. */
  readonly target: string;
  readonly hash: number;
  /** Both parts as one text. */
  readonly key: string;
}

class Key implements PrimaryKey {
  readonly origin: string;
  readonly target: string;
  readonly hash: number;

  constructor(origin: string, target: string, hash: number) {
    this.origin = origin;
    this.target = target;
    this.hash = hash;
  }

  get key(): string {
    return this.origin + this.target;
  }
}

/** Before a key is made. */
export const NO_KEY: PrimaryKey = new Key('', '', 0);

/** Origins remembered. */
const ORIGINS = 1024;

/** How the key is made; see `CacheOptions`. */
export interface KeyPolicy {
  readonly sortQuery: boolean;
  readonly dropQuery: readonly string[];
}

/**
 * Makes primary keys: the target URI (RFC 9111 §2), `scheme://authority` and the target as it came. There is one
 * key for GET and HEAD, which share what is stored.
 *
 * Scheme and host are case-insensitive and a default port equals none (RFC 9110 §4.2.3); nothing else is normalised
 * unless an option says so, since every further normalisation can make two resources collide.
 */
export class KeyMaker {
  readonly #policy: KeyPolicy;
  readonly #plain: boolean;
  // Requests come in runs for the same host, and what is stored for a host shares one string.
  #host = '';
  #scheme = '';
  #origin = '';
  #originHash: number;
  readonly #seed: number;
  readonly #origins: Map<string, string> = new Map();

  /** @param seed a secret number from 0 to 1, so that nobody can choose keys whose hashes collide. */
  constructor(policy: KeyPolicy, seed: number) {
    this.#policy = policy;
    this.#originHash = this.#seed = Math.floor(seed * 0xffffffff) | 0;
    this.#plain = !policy.sortQuery && policy.dropQuery.length === 0;
  }

  key(scheme: string, host: string, target: string): PrimaryKey {
    if (host !== this.#host || scheme !== this.#scheme) {
      this.#origin = this.#shared(originOf(scheme, host));
      this.#originHash = hashText(this.#origin, this.#seed);
      this.#host = host;
      this.#scheme = scheme;
    }
    const path = this.#plain ? target : normaliseTarget(target, this.#policy);
    return new Key(this.#origin, path, hashText(path, this.#originHash));
  }

  /** The key that is written like this. */
  parse(key: string): PrimaryKey {
    return new Key('', key, hashText(key, this.#seed));
  }

  #shared(origin: string): string {
    const known = this.#origins.get(origin);
    if (known !== undefined) return known;
    if (this.#origins.size >= ORIGINS) this.#origins.clear();
    const own = copyText(origin);
    this.#origins.set(own, own);
    return own;
  }
}

/** `scheme://host[:port]` in the form in which origins are compared (RFC 9110 §4.3.1). */
export function originOf(scheme: string, host: string): string {
  const lowerScheme = scheme.toLowerCase();
  let authority = host.toLowerCase();
  const defaultPort = lowerScheme === 'https' ? ':443' : ':80';
  if (authority.endsWith(defaultPort)) authority = authority.slice(0, -defaultPort.length);
  return `${lowerScheme}://${authority}`;
}

function normaliseTarget(target: string, policy: KeyPolicy): string {
  const mark = target.indexOf('?');
  if (mark < 0) return target;
  const kept = target
    .slice(mark + 1)
    .split('&')
    .filter((parameter) => !isDropped(parameter, policy.dropQuery));
  // A stable sort by name only: repeated parameters keep their order, which servers do look at.
  if (policy.sortQuery) kept.sort((a, b) => compare(nameOf(a), nameOf(b)));
  return kept.length === 0 ? target.slice(0, mark) : `${target.slice(0, mark)}?${kept.join('&')}`;
}

function nameOf(parameter: string): string {
  const equals = parameter.indexOf('=');
  return equals < 0 ? parameter : parameter.slice(0, equals);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isDropped(parameter: string, dropped: readonly string[]): boolean {
  const name = nameOf(parameter);
  return dropped.some((drop) => (drop.endsWith('*') ? name.startsWith(drop.slice(0, -1)) : name === drop));
}
