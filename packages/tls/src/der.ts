/** Universal and context tags that certificates and keys use (X.690). */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  context0: 0xa0,
  context3: 0xa3,
  keyIdentifier: 0x80,
  dnsName: 0x82,
  ipAddress: 0x87,
} as const;

/**
 * Walks the elements of one DER level, forwards only. It is no general ASN.1 reader: `node:crypto` parses
 * (and so validates) every certificate first; this finds the few things that it does not tell — key usage
 * bits, names byte for byte, the curve of a key.
 *
 * @throws RangeError on lengths that leave the buffer.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;
  /** Tag of the element last read by {@link next}. */
  tag = 0;
  #start = 0;
  #stop = 0;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  /** Reads one element's head; false at the end of the level. */
  next(): boolean {
    if (this.#position >= this.#end) return false;
    const whole = this.#position;
    const tag = this.#byte(whole);
    let at = whole + 2;
    let length = this.#byte(whole + 1);
    if (length > 0x84) throw new RangeError('DER length too long');
    if (length >= 0x80) {
      const count = length - 0x80;
      if (count === 0) throw new RangeError('DER length indefinite');
      length = 0;
      for (let i = 0; i < count; i += 1, at += 1) length = length * 256 + this.#byte(at);
    }
    if (at + length > this.#end) throw new RangeError('DER element leaves its level');
    this.tag = tag;
    this.#start = at;
    this.#stop = at + length;
    this.#position = at + length;
    return true;
  }

  /** Reads one element and insists on its tag. */
  expect(tag: number): this {
    if (!this.next() || this.tag !== tag) throw new RangeError(`DER element is not of type ${tag}`);
    return this;
  }

  /** Content bytes of the last element (a view). */
  content(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#stop);
  }

  /** A reader for what is inside the last element; `skip` leaves out leading bytes. */
  inner(skip = 0): DerReader {
    return new DerReader(this.#bytes, this.#start + skip, this.#stop);
  }

  #byte(index: number): number {
    const value = this.#bytes[index];
    if (value === undefined || index >= this.#end) throw new RangeError('DER element is cut off');
    return value;
  }
}

/** Bytes of an OBJECT IDENTIFIER's content as lower-case hex, to compare with {@link Oid}. */
export function oidHex(content: Uint8Array): string {
  return Buffer.from(content.buffer, content.byteOffset, content.length).toString('hex');
}

/** The object identifiers this package knows, as hex of their DER content. */
export const Oid = {
  keyUsage: '551d0f',
  subjectKeyIdentifier: '551d0e',
  authorityKeyIdentifier: '551d23',
  subjectAltName: '551d11',
  rsaEncryption: '2a864886f70d010101',
  ecPublicKey: '2a8648ce3d0201',
  ed25519: '2b6570',
  p256: '2a8648ce3d030107',
  p384: '2b81040022',
  p521: '2b81040023',
} as const;

const WEAK_SIGNATURES: ReadonlyMap<string, string> = new Map([
  ['2a864886f70d010102', 'MD2 with RSA'],
  ['2a864886f70d010103', 'MD4 with RSA'],
  ['2a864886f70d010104', 'MD5 with RSA'],
  ['2a864886f70d010105', 'SHA-1 with RSA'],
  ['2b0e03021d', 'SHA-1 with RSA'],
  ['2a8648ce380403', 'SHA-1 with DSA'],
  ['2a8648ce3d0401', 'SHA-1 with ECDSA'],
]);

/** Name of a signature algorithm that collisions broke (MD5, SHA-1), or undefined. */
export function weakSignature(oid: string): string | undefined {
  return WEAK_SIGNATURES.get(oid);
}
