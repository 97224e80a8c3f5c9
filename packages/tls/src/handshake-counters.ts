import { TlsError } from './errors.ts';
import { HANDSHAKE_FAILURES, type HandshakeFailure } from './handshake-failure.ts';
import { STRONG_CIPHERS } from './policy.ts';

const TOTALS = ['started', 'completed', 'failed', 'resumed', 'clientCertificates'] as const;
const VERSIONS: readonly string[] = ['TLSv1.2', 'TLSv1.3', 'other'];
const SUITES: readonly string[] = [...STRONG_CIPHERS, 'other'];

/**
 * Names of all counters, in the order of the region: `handshakes.started`, `failures.timeout`, `versions.TLSv1.3`,
 * `suites.TLS_AES_128_GCM_SHA256`. The list is the same in all threads of one version of this package.
 */
export const HANDSHAKE_COUNTERS: readonly string[] = Object.freeze([
  ...TOTALS.map((name) => `handshakes.${name}`),
  ...HANDSHAKE_FAILURES.map((name) => `failures.${name}`),
  ...VERSIONS.map((name) => `versions.${name}`),
  ...SUITES.map((name) => `suites.${name}`),
]);

/** Bytes of one region: 8 for each counter. */
export const HANDSHAKE_COUNTER_BYTES: number = HANDSHAKE_COUNTERS.length * 8;

const FAILURES_AT = TOTALS.length;
const VERSIONS_AT = FAILURES_AT + HANDSHAKE_FAILURES.length;
const SUITES_AT = VERSIONS_AT + VERSIONS.length;

/**
 * Counters of one thread on memory that others may read. One writer per region: a plain add is enough, no lock and
 * no atomic operation; a reader sums the regions of all workers. Doubles count exactly up to 2^53, and a reader on a
 * 64-bit machine never sees half of one.
 */
export class HandshakeCounters {
  readonly #values: Float64Array;

  /**
   * @param buffer a region of `HANDSHAKE_COUNTER_BYTES` bytes from `byteOffset`, zeroed. Default: memory of its own.
   * @throws TlsError `TLS_OPTION` if the region does not fit or is not aligned to 8 bytes.
   */
  constructor(
    buffer: SharedArrayBuffer | ArrayBuffer = new SharedArrayBuffer(HANDSHAKE_COUNTER_BYTES),
    byteOffset: number = 0,
  ) {
    if (byteOffset % 8 !== 0 || byteOffset < 0 || byteOffset + HANDSHAKE_COUNTER_BYTES > buffer.byteLength) {
      throw new TlsError('TLS_OPTION', `counters need ${HANDSHAKE_COUNTER_BYTES} bytes, aligned to 8`);
    }
    this.#values = new Float64Array(buffer, byteOffset, HANDSHAKE_COUNTERS.length);
  }

  started(): void {
    this.#add(0);
  }

  completed(version: string, suite: string, resumed: boolean, clientCertificate: boolean): void {
    this.#add(1);
    if (resumed) this.#add(3);
    if (clientCertificate) this.#add(4);
    this.#add(VERSIONS_AT + indexOr(VERSIONS, version));
    this.#add(SUITES_AT + indexOr(SUITES, suite));
  }

  failed(reason: HandshakeFailure): void {
    this.#add(2);
    this.#add(FAILURES_AT + indexOr(HANDSHAKE_FAILURES, reason));
  }

  /** Value of a counter by its name in {@link HANDSHAKE_COUNTERS}; 0 for unknown names. */
  get(name: string): number {
    return this.#values[HANDSHAKE_COUNTERS.indexOf(name)] ?? 0;
  }

  /** All counters by name. */
  toJSON(): Record<string, number> {
    return Object.fromEntries(HANDSHAKE_COUNTERS.map((name, index) => [name, this.#values[index] ?? 0]));
  }

  #add(index: number): void {
    this.#values[index] = (this.#values[index] ?? 0) + 1;
  }
}

/** Position in a list whose last element stands for everything else. */
function indexOr(list: readonly string[], value: string): number {
  const index = list.indexOf(value);
  return index === -1 ? list.length - 1 : index;
}
