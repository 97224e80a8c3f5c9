import { FieldId, fieldId } from './field-id.ts';
import { joinedValue, type FieldSource } from './heads.ts';

/** What a `Connection` field says, as bits. */
export const ConnectionOption = { close: 1, keepAlive: 2, upgrade: 4, other: 8 } as const;

/** The members of a comma-separated list, without white space and empty ones (RFC 9110 §5.6.1), lower case. */
export function listMembers(value: string): string[] {
  return value
    .toLowerCase()
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '');
}

/** Reads a `Connection` value, or several joined by commas, into {@link ConnectionOption} bits. */
export function connectionBits(value: string): number {
  // What nearly everybody sends.
  if (value === 'keep-alive') return ConnectionOption.keepAlive;
  if (value === 'close') return ConnectionOption.close;
  let bits = 0;
  for (const option of listMembers(value)) {
    if (option === 'close') bits |= ConnectionOption.close;
    else if (option === 'keep-alive') bits |= ConnectionOption.keepAlive;
    else if (option === 'upgrade') bits |= ConnectionOption.upgrade;
    else bits |= ConnectionOption.other;
  }
  return bits;
}

/** May the connection carry another message (RFC 9112 §9.3)? */
export function isPersistent(minor: 0 | 1, bits: number): boolean {
  if ((bits & ConnectionOption.close) !== 0) return false;
  return minor === 1 || (bits & ConnectionOption.keepAlive) !== 0;
}

/**
 * Lower-case names of the fields that `Connection` asks to remove (RFC 9110 §7.6.1), beside those that are
 * never forwarded anyway; undefined if there are none. Fields that are known by name are meant for everyone
 * on the way: a client cannot have `Host`, framing, credentials, cookies or forwarding fields removed.
 */
export function connectionOptions(head: FieldSource): string[] | undefined {
  const value = joinedValue(head, FieldId.connection);
  if (value === undefined || value === 'keep-alive' || value === 'close') return undefined;
  const named = listMembers(value).filter(
    (option) => fieldId(option) === FieldId.other && option !== 'close',
  );
  return named.length === 0 ? undefined : named;
}

/** Trailers without those that `Connection` in the head asks to remove (RFC 9110 §7.6.1). */
export function withoutNamed(trailers: string[], head: FieldSource): string[] {
  const named = connectionOptions(head);
  if (named === undefined) return trailers;
  return trailers.filter((_, i) => !named.includes((trailers[i & ~1] as string).toLowerCase()));
}

/** The `Upgrade` value without `h2c`, which is never taken up (RFC 9113 §3.1); `''` if nothing is left. */
export function upgradeProtocols(value: string): string {
  if (!/h2c/i.test(value)) return value;
  return value
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '' && protocol.toLowerCase() !== 'h2c')
    .join(', ');
}
