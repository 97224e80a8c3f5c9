import { isOws } from './fields.ts';

/** The opaque part of an entity tag: what weak comparison compares (RFC 9110 §8.8.3.2). */
export function opaqueTag(tag: string): string {
  return tag.startsWith('W/') ? tag.slice(2) : tag;
}

/** True for a tag that is not marked as weak (RFC 9110 §8.8.3). */
export function isStrongTag(tag: string): boolean {
  return !tag.startsWith('W/');
}

/** Weak comparison (RFC 9110 §8.8.3.2): equal opaque parts, weak or not. */
export function weakMatch(a: string, b: string): boolean {
  return a === b || opaqueTag(a) === opaqueTag(b);
}

/** Strong comparison (RFC 9110 §8.8.3.2): equal and neither is weak. */
export function strongMatch(a: string, b: string): boolean {
  return a === b && isStrongTag(a);
}

/**
 * Whether a list of entity tags, as in `If-None-Match` (RFC 9110 §13.1.2), has one that weakly matches `tag`.
 *
 * Commas may stand inside of a tag, so the list is walked, not split. A member without quotes is not an entity tag
 * by the grammar; it is compared as it stands, because an origin that sends such a tag gets it back like that.
 */
export function listHasTag(list: string, tag: string): boolean {
  let at = 0;
  while (at < list.length) {
    const code = list.charCodeAt(at);
    if (code === 44 || isOws(code)) {
      at++;
      continue;
    }
    const end = memberEnd(list, at);
    if (weakMatch(list.slice(at, end), tag)) return true;
    at = end;
  }
  return false;
}

function memberEnd(list: string, from: number): number {
  const quote = list.startsWith('W/"', from) ? from + 2 : from;
  if (list.charCodeAt(quote) === 34) {
    // No escapes inside of an entity tag: the next quote ends it (RFC 9110 §8.8.3).
    const close = list.indexOf('"', quote + 1);
    return close < 0 ? list.length : close + 1;
  }
  let at = from;
  while (at < list.length && list.charCodeAt(at) !== 44) at++;
  while (at > from && isOws(list.charCodeAt(at - 1))) at--;
  return at;
}
