import { isOws, isToken, quotedStringEnd, trimOws } from './fields.ts';

/** What the scanner calls for each well-formed directive. `argument` is unquoted; `undefined` when absent. */
export interface DirectiveSink {
  directive(name: string, argument: string | undefined): void;
}

/**
 * Walks a `Cache-Control` value (RFC 9111 §5.2): `#( token [ "=" ( token / quoted-string ) ] )`. Names arrive in
 * lower case. Both forms of an argument are accepted for every directive (§5.2).
 *
 * A member that does not follow the grammar is reported by name when its name can be told (so that a broken
 * `max-age` still counts as present), with an argument that no reader accepts, and makes the result `false`: what
 * the sender meant is in doubt.
 *
 * @returns whether every member was well-formed.
 */
export function scanDirectives(value: string, sink: DirectiveSink): boolean {
  const length = value.length;
  let wellFormed = true;
  let at = 0;
  while (at < length) {
    const code = value.charCodeAt(at);
    if (code === 44 || isOws(code)) {
      at++;
      continue;
    }
    const end = memberEnd(value, at);
    if (end < 0) return false; // a quoted-string that never closes may hide anything behind it
    if (!scanMember(trimOws(value.slice(at, end)), sink)) wellFormed = false;
    at = end + 1;
  }
  return wellFormed;
}

/** Where the member that starts at `from` ends: at a comma outside of quoted strings, or at the end; -1 in a bad quote. */
function memberEnd(value: string, from: number): number {
  let at = from;
  while (at < value.length) {
    const code = value.charCodeAt(at);
    if (code === 44) return at;
    if (code === 34) {
      at = quotedStringEnd(value, at);
      if (at < 0) return -1;
    } else at++;
  }
  return at;
}

/** An argument that is neither a delta-seconds nor a list of names: what a malformed member gets. */
const MALFORMED = '"';

function scanMember(member: string, sink: DirectiveSink): boolean {
  const equals = member.indexOf('=');
  if (equals < 0) {
    const valid = isToken(member);
    sink.directive(valid ? member.toLowerCase() : leadingToken(member), valid ? undefined : MALFORMED);
    return valid;
  }
  const name = member.slice(0, equals);
  const raw = member.slice(equals + 1);
  if (!isToken(name)) {
    sink.directive(leadingToken(name), MALFORMED);
    return false;
  }
  const lower = name.toLowerCase();
  if (raw.charCodeAt(0) === 34) {
    const closed = quotedStringEnd(raw, 0) === raw.length;
    sink.directive(lower, closed ? unquote(raw) : MALFORMED);
    return closed;
  }
  // An empty argument is no token; `max-age=` is as wrong as `max-age=x y`.
  const valid = isToken(raw);
  sink.directive(lower, valid ? raw : MALFORMED);
  return valid;
}

function leadingToken(text: string): string {
  const match = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+/.exec(text);
  return match === null ? '' : match[0].toLowerCase();
}

function unquote(quoted: string): string {
  const inner = quoted.slice(1, -1);
  return inner.includes('\\') ? inner.replace(/\\(.)/gs, '$1') : inner;
}
