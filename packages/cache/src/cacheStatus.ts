import { isToken } from './fields.ts';

/** Why a request went forward (RFC 9211 §2.2). */
export type ForwardReason = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'request' | 'stale';

/** Whether and how a forwarded request was collapsed with others (RFC 9211 §2.6). */
export type Collapsed = 'no' | 'shared' | 'failed';

/** The cache's identifier as a Structured Field: a token where it can be one, else a string (RFC 9211 §2). */
export function memberName(name: string): string {
  return isToken(name) && /^[A-Za-z*]/.test(name)
    ? name
    : `"${name.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`;
}

/**
 * A member for a request that went forward (RFC 9211 §2).
 *
 * @param status the backend's status code where it is not the one that the client gets (§2.3), else 0.
 * @param detail a token, or empty (§2.8).
 */
export function forwardedMember(
  member: string,
  reason: ForwardReason,
  status: number,
  stored: boolean,
  collapsed: Collapsed,
  detail: string,
): string {
  let text = `${member}; fwd=${reason}`;
  if (status !== 0) text += `; fwd-status=${status}`;
  if (stored) text += '; stored';
  if (collapsed === 'shared') text += '; collapsed';
  else if (collapsed === 'failed') text += '; collapsed=?0';
  if (detail !== '') text += `; detail=${detail}`;
  return text;
}
