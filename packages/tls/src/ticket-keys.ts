import { timingSafeEqual } from 'node:crypto';
import { TlsError } from './errors.ts';
import { PADDING } from './secrets.ts';

/** Bytes of one key: 16 of name, 16 for HMAC, 16 for AES. The layout of `tls.Server#setTicketKeys`. */
export const TICKET_KEY_BYTES = 48;

/** Options of {@link TicketKeys}. */
export interface TicketKeysOptions {
  /** Fills a buffer with secret random bytes: `crypto.randomFillSync`. */
  readonly randomFill: (bytes: Uint8Array) => unknown;
  /** Wall-clock time in ms. */
  readonly now: () => number;
  /** Life of a key for new tickets, in ms. Default 24 h; 1 min to 7 days. */
  readonly rotateEvery?: number;
  /** Previous keys that are kept to decrypt older tickets. Default 1, 0 to 7. */
  readonly keepPrevious?: number;
}

/** Ticket keys on their way to a worker. The key bytes are in an ArrayBuffer, behind zeros. */
export interface TicketKeysMessage {
  readonly kind: 'ticketKeys';
  /** Grows with each rotation: a worker ignores what is older than what it has. */
  readonly version: number;
  readonly count: number;
  readonly secrets: ArrayBuffer;
}

/** An immutable set of keys, newest first: the first encrypts, all decrypt. Printing it shows no key. */
export class TicketKeySet {
  readonly version: number;
  readonly #keys: readonly Buffer[];

  /** @throws TlsError `TLS_TICKET_KEYS_INVALID` unless there is at least one key of 48 bytes. */
  constructor(version: number, keys: readonly Uint8Array[]) {
    if (keys.length === 0)
      throw new TlsError('TLS_TICKET_KEYS_INVALID', 'there must be at least one ticket key');
    for (const key of keys) {
      if (key.length !== TICKET_KEY_BYTES) {
        throw new TlsError(
          'TLS_TICKET_KEYS_INVALID',
          `a ticket key has ${TICKET_KEY_BYTES} bytes, not ${key.length}`,
        );
      }
    }
    this.version = version;
    this.#keys = keys.map((key) => Buffer.from(key));
  }

  get size(): number {
    return this.#keys.length;
  }

  /** Key number `index`: 0 encrypts new tickets, all decrypt. Secret; a method, because getters get printed. */
  key(index: number): Buffer {
    const key = this.#keys[index];
    if (key === undefined) throw new RangeError(`no ticket key ${index}`);
    return key;
  }

  /** Index of the key whose 16-byte name this is, -1 if there is none. */
  indexOf(name: Uint8Array): number {
    if (name.length !== 16) return -1;
    return this.#keys.findIndex((key) => timingSafeEqual(key.subarray(0, 16), name));
  }

  /** For `postMessage`. Send it to workers that terminate TLS, to nothing else. */
  toMessage(): TicketKeysMessage {
    const secrets = new ArrayBuffer(PADDING + this.#keys.length * TICKET_KEY_BYTES);
    const bytes = new Uint8Array(secrets);
    this.#keys.forEach((key, index) => bytes.set(key, PADDING + index * TICKET_KEY_BYTES));
    return { kind: 'ticketKeys', version: this.version, count: this.#keys.length, secrets };
  }

  /** @throws TlsError `TLS_TICKET_KEYS_INVALID` for anything that {@link toMessage} did not make. */
  static fromMessage(message: TicketKeysMessage): TicketKeySet {
    const { version, count, secrets } = message;
    const valid = Number.isInteger(count) && count > 0 && secrets instanceof ArrayBuffer;
    if (!valid || secrets.byteLength !== PADDING + count * TICKET_KEY_BYTES) {
      throw new TlsError('TLS_TICKET_KEYS_INVALID', 'the message holds no ticket keys');
    }
    const keys: Uint8Array[] = [];
    for (let i = 0; i < count; i += 1) {
      keys.push(new Uint8Array(secrets, PADDING + i * TICKET_KEY_BYTES, TICKET_KEY_BYTES));
    }
    return new TicketKeySet(version, keys);
  }

  toJSON(): { readonly version: number; readonly size: number } {
    return { version: this.version, size: this.size };
  }
}

const MINUTE = 60_000;
const DAY = 86_400_000;

/**
 * Makes and rotates the ticket keys of a process. One instance, in the supervisor: it sends each new set to the
 * workers, so that any of them resumes a session that another began.
 */
export class TicketKeys {
  readonly #randomFill: (bytes: Uint8Array) => unknown;
  readonly #now: () => number;
  readonly #rotateEvery: number;
  readonly #keep: number;
  #set: TicketKeySet;
  #madeAt: number;

  /** @throws TlsError `TLS_OPTION` for values out of range. */
  constructor(options: TicketKeysOptions) {
    this.#randomFill = options.randomFill;
    this.#now = options.now;
    this.#rotateEvery = options.rotateEvery ?? DAY;
    this.#keep = options.keepPrevious ?? 1;
    if (!(this.#rotateEvery >= MINUTE && this.#rotateEvery <= 7 * DAY)) {
      throw new TlsError('TLS_OPTION', 'rotateEvery must be from 60000 (1 min) to 604800000 ms (7 days)');
    }
    if (!Number.isInteger(this.#keep) || this.#keep < 0 || this.#keep > 7) {
      throw new TlsError('TLS_OPTION', 'keepPrevious must be a whole number from 0 to 7');
    }
    this.#set = new TicketKeySet(1, [this.#make()]);
    this.#madeAt = this.#now();
  }

  get set(): TicketKeySet {
    return this.#set;
  }

  /** Wall-clock time in ms of the next rotation. */
  get nextRotation(): number {
    return this.#madeAt + this.#rotateEvery;
  }

  /** Rotates if it is time. Call it now and then, at least once an hour. @returns the new set, or undefined. */
  rotateIfDue(): TicketKeySet | undefined {
    return this.#now() >= this.nextRotation ? this.rotate() : undefined;
  }

  /** Rotates now: a new key encrypts, the newest of the old ones still decrypt. */
  rotate(): TicketKeySet {
    const keys: Buffer[] = [this.#make()];
    for (let i = 0; i < this.#set.size && i < this.#keep; i += 1) keys.push(this.#set.key(i));
    this.#set = new TicketKeySet(this.#set.version + 1, keys);
    this.#madeAt = this.#now();
    return this.#set;
  }

  #make(): Buffer {
    const key = Buffer.alloc(TICKET_KEY_BYTES);
    this.#randomFill(key);
    return key;
  }
}
