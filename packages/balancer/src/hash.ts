/**
 * FNV-1a over the UTF-16 units of a string, finished by the avalanche step of MurmurHash3: FNV alone leaves
 * neighbouring addresses (10.0.0.1, 10.0.0.2) close together, which a hash ring would turn into uneven
 * shares. Not cryptographic: an attacker who chooses its own address can choose its backend, no more.
 */
export function hashString(text: string, seed: number, from: number = 0): number {
  let hash = (0x811c9dc5 ^ seed) | 0;
  for (let i = from; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return mix32(hash);
}

/** Spreads every input bit over all 32 output bits; a bijection on 32-bit numbers. Returns 0 to 2^32 - 1. */
export function mix32(value: number): number {
  let hash = value | 0;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const mappedPrefix = '::ffff:';

/**
 * Hash of a client address. `::ffff:192.0.2.1`, which a dual-stack listener reports, is the same client as
 * `192.0.2.1`.
 */
export function hashAddress(address: string): number {
  const mapped = address.length > 7 && address.charCodeAt(0) === 58 && address.startsWith(mappedPrefix);
  return hashString(address, 0, mapped ? mappedPrefix.length : 0);
}
