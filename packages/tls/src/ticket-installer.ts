import type { Server } from 'node:tls';
import type { TicketKeySet } from './ticket-keys.ts';

/**
 * What a server can do with a set of ticket keys: `ring` decrypts with every key of the set, so that resumption
 * survives a rotation; `single` knows the newest key only (the public API), and a ticket from before a rotation
 * costs its client one full handshake.
 */
export type TicketMode = 'ring' | 'single';

/** Answer to OpenSSL's ticket callback: verdict (0 unknown key, 1 use, 2 use and renew), HMAC key, AES key. */
type TicketAnswer =
  | readonly [verdict: 0 | 1 | 2, hmac: Buffer, aes: Buffer]
  | readonly [verdict: 1, hmac: Buffer, aes: Buffer, name: Buffer, iv: Buffer];

/** The part of a native context that is not documented. */
interface NativeContext {
  onticketkeycallback?: (name: Buffer, iv: Buffer, encrypt: boolean) => TicketAnswer;
  enableTicketKeyCallback(): void;
}

const NONE = Buffer.alloc(16);
const UNKNOWN: TicketAnswer = [0, NONE, NONE];

/** Octets of an initialisation vector, and how many are drawn at once: each draw is a call into the kernel or OpenSSL. */
const IV = 16;
const VECTORS = 256;

/** A key as answers name it: cut once, since each handshake asks two or three times. */
class TicketKey {
  readonly name: Buffer;
  readonly hmac: Buffer;
  readonly aes: Buffer;

  constructor(key: Buffer) {
    this.name = key.subarray(0, 16);
    this.hmac = key.subarray(16, 32);
    this.aes = key.subarray(32, 48);
  }
}

/**
 * The server's own context, if this Node has the ticket callback.
 *
 * `tls.Server#setTicketKeys` holds one key, and forgets the one before. OpenSSL's callback does better, Node
 * binds it, but only its own tests use it: hence the feature test, with the public method as the other way.
 * Tickets are always made and opened with the server's own context, also for names that SNI gave another.
 */
function nativeContext(server: Server): NativeContext | undefined {
  const credentials: unknown = Reflect.get(server, '_sharedCreds');
  if (typeof credentials !== 'object' || credentials === null) return undefined;
  const context: unknown = Reflect.get(credentials, 'context');
  return isNative(context) ? context : undefined;
}

function isNative(context: unknown): context is NativeContext {
  return (
    typeof context === 'object' &&
    context !== null &&
    'enableTicketKeyCallback' in context &&
    typeof context.enableTicketKeyCallback === 'function'
  );
}

/** Gives ticket keys to servers. One per thread; it keeps the servers' keys up to date through rotations. */
export class TicketInstaller {
  readonly #randomFill: (bytes: Uint8Array) => unknown;
  readonly #preferred: TicketMode;
  readonly #servers: Set<Server> = new Set();
  #set: TicketKeySet;
  #keys: readonly TicketKey[];
  readonly #vectors: Buffer = Buffer.alloc(IV * VECTORS);
  #vector = VECTORS;

  /**
   * @param randomFill fills a buffer with random bytes (`crypto.randomFillSync`): each ticket needs a new IV.
   * @param preferred `single` keeps to the public API.
   */
  constructor(set: TicketKeySet, randomFill: (bytes: Uint8Array) => unknown, preferred: TicketMode = 'ring') {
    this.#set = set;
    this.#keys = keysOf(set);
    this.#randomFill = randomFill;
    this.#preferred = preferred;
  }

  get set(): TicketKeySet {
    return this.#set;
  }

  /** Takes a newer set and gives it to every server; one that is not newer than what is in use is ignored. */
  update(set: TicketKeySet): boolean {
    if (set.version <= this.#set.version) return false;
    this.#set = set;
    this.#keys = keysOf(set);
    for (const server of this.#servers) this.#apply(server);
    return true;
  }

  /**
   * Makes a server use the keys, now and after each {@link update}, until it closes. Repeat it after
   * `server.setSecureContext`, which makes a new context. Sessions in progress are not touched.
   */
  install(server: Server): TicketMode {
    if (!this.#servers.has(server)) {
      this.#servers.add(server);
      server.once('close', () => this.#servers.delete(server));
    }
    return this.#apply(server);
  }

  #apply(server: Server): TicketMode {
    server.setTicketKeys(this.#set.key(0));
    const context = this.#preferred === 'ring' ? nativeContext(server) : undefined;
    if (context === undefined) return 'single';
    context.onticketkeycallback = (name, _iv, encrypt) => (encrypt ? this.#seal() : this.#open(name));
    context.enableTicketKeyCallback();
    return 'ring';
  }

  #seal(): TicketAnswer {
    if (this.#vector === VECTORS) {
      this.#randomFill(this.#vectors);
      this.#vector = 0;
    }
    const at = this.#vector++ * IV;
    const { hmac, aes, name } = this.#keys[0]!;
    return [1, hmac, aes, name, this.#vectors.subarray(at, at + IV)];
  }

  #open(name: Buffer): TicketAnswer {
    const index = this.#set.indexOf(name);
    const key = this.#keys[index];
    return key === undefined ? UNKNOWN : [index === 0 ? 1 : 2, key.hmac, key.aes];
  }
}

function keysOf(set: TicketKeySet): readonly TicketKey[] {
  return Array.from({ length: set.size }, (_, index) => new TicketKey(set.key(index)));
}
