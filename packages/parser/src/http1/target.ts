import { hasPort, isAuthority } from './host.ts';

/** The four forms of a request target (RFC 9112 §3.2), or what is none of them. */
export const TargetForm = { invalid: 0, origin: 1, absolute: 2, authority: 3, asterisk: 4 } as const;
export type TargetForm = 0 | 1 | 2 | 3 | 4;

// What may stand in a target: visible US-ASCII without "#" (a fragment never travels) and "\\" (which some
// servers read as "/"), and no encoded NUL (which ends a string in some). The rest that RFC 3986 leaves out
// (" < > ^ ` { | }) passes: browsers and clients send it, and no server is known to read it as anything else.
const unclean = /[#\\]|[^!-~]|%00/;
const uncleanForLlhttp = /[#\\]|%00/;

/**
 * True if the target has no character that a proxy must not pass on, and no `%00`. Everything else passes
 * byte for byte: `%2F`, dot segments and `//` are neither decoded nor removed, so what is matched is what is
 * forwarded.
 */
export function isCleanTarget(target: string): boolean {
  return !unclean.test(target);
}

/** As {@link isCleanTarget}, for a target that llhttp let through: it refuses all that is not visible. */
export function isCleanAfterLlhttp(target: string): boolean {
  return !uncleanForLlhttp.test(target);
}

/**
 * Which form the target has for this method. Absolute-form is `http` and `https` only, without user
 * information; authority-form is for `CONNECT` alone and needs a port; asterisk-form is for `OPTIONS` alone.
 */
export function classifyTarget(method: string, target: string): TargetForm {
  return isCleanTarget(target) ? formOfTarget(method, target) : TargetForm.invalid;
}

/** As {@link classifyTarget}, for a target whose characters were checked. */
export function formOfTarget(method: string, target: string): TargetForm {
  if (method === 'CONNECT') {
    return isAuthority(target) && hasPort(target) ? TargetForm.authority : TargetForm.invalid;
  }
  if (target.charCodeAt(0) === 0x2f) return TargetForm.origin;
  if (target === '*') return method === 'OPTIONS' ? TargetForm.asterisk : TargetForm.invalid;
  const start = authorityStart(target);
  if (start === -1) return TargetForm.invalid;
  return isAuthority(target.slice(start, authorityEnd(target, start)))
    ? TargetForm.absolute
    : TargetForm.invalid;
}

/** The authority of an absolute-form target that was classified as such. */
export function targetAuthority(target: string): string {
  const start = authorityStart(target);
  return target.slice(start, authorityEnd(target, start));
}

/** The origin-form of an absolute-form target that was classified as such (RFC 9112 §3.2.1, §3.2.4). */
export function targetPath(method: string, target: string): string {
  const rest = target.slice(authorityEnd(target, authorityStart(target)));
  if (rest === '') return method === 'OPTIONS' ? '*' : '/';
  return rest.charCodeAt(0) === 0x2f ? rest : `/${rest}`;
}

function authorityStart(target: string): number {
  const scheme = target.slice(0, 8).toLowerCase();
  if (scheme.startsWith('http://')) return 7;
  return scheme === 'https://' ? 8 : -1;
}

function authorityEnd(target: string, start: number): number {
  for (let at = start; at < target.length; at++) {
    const code = target.charCodeAt(at);
    if (code === 0x2f || code === 0x3f) return at;
  }
  return target.length;
}
