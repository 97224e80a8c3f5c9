/** Bytes looked at in one body. */
const SAMPLES = 32;

/**
 * A checksum of a sample of a body: its length and bytes spread evenly over it. Cheap enough for a hit, and enough
 * to notice memory that was handed in as owned and then written over.
 */
export function sampledChecksum(chunks: readonly Uint8Array[], length: number): number {
  let hash = (0x811c9dc5 ^ length) >>> 0;
  const step = Math.max(1, Math.floor(length / SAMPLES));
  let next = 0;
  let start = 0;
  for (const chunk of chunks) {
    const end = start + chunk.byteLength;
    for (; next < end; next += step) {
      hash = Math.imul(hash ^ (chunk[next - start] as number), 0x01000193) >>> 0;
    }
    start = end;
  }
  // A sum of the chunks that is not the length is corruption too.
  return start === length ? hash : -2;
}
