/** The 16 bytes of a valid IPv6 address; a zone (`%eth0`) is left out. */
export function ipv6Bytes(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  const text = address.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, a, b, c, d) => {
    const group = (high: string, low: string): string => (Number(high) * 256 + Number(low)).toString(16);
    return `${group(a, b)}:${group(c, d)}`;
  });
  const [head = '', tail] = text.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  for (const [at, group] of before.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), at * 2);
  for (const [at, group] of after.entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), (8 - after.length + at) * 2);
  }
  return bytes;
}

/** The address in the 16 bytes from `at` on, in canonical text (RFC 5952); one of IPv4 (RFC 4291 §2.5.5.2) as that. */
export function formatIpv6(bytes: Buffer, at: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 8; i++) groups.push(bytes.readUInt16BE(at + i * 2));
  if (groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    return bytes.subarray(at + 12, at + 16).join('.');
  }
  const [from, length] = longestZeros(groups);
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, from))}::${text(groups.slice(from + length))}`;
}

/** The first of the longest runs of zeros (RFC 5952 §4.2.3). */
function longestZeros(groups: readonly number[]): readonly [from: number, length: number] {
  let best: readonly [number, number] = [0, 0];
  for (let from = 0; from < groups.length; from++) {
    let length = 0;
    while (groups[from + length] === 0) length++;
    if (length > best[1]) best = [from, length];
    from += length;
  }
  return best;
}
