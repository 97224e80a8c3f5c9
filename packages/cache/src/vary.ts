import { combinedValue, isToken, lowerCaseList, quotedStringEnd, trimOws } from './fields.ts';
import type { Fields } from './fields.ts';
import { copyText } from './latin1.ts';

/**
 * How the values of two requests are compared (RFC 9111 §4.1):
 * - `exact`: lines combined, white space at both ends removed;
 * - `whitespace`: also white space around the commas of a list, outside of quoted strings;
 * - `semantic`: also what the definition of `Accept`, `Accept-Charset`, `Accept-Encoding` and `Accept-Language`
 *   says is the same: letter case, order of members, `q=1`.
 */
export type VaryNormalisation = 'exact' | 'whitespace' | 'semantic';

const NO_NAMES: readonly string[] = [];

/**
 * The field names that `Vary` nominates (RFC 9110 §12.5.5): lower case, sorted, each once. Sorting lets two
 * responses that list them in another order share a key.
 *
 * @returns `'*'` when a member is `*` or is no field name (in doubt: never matches); an empty list without `Vary`.
 */
export function varyNames(fields: Fields): readonly string[] | '*' {
  const value = combinedValue(fields, 'vary');
  if (value === undefined) return NO_NAMES;
  // Few different ones come again and again, and what is stored shares them.
  let names = knownNames.get(value);
  if (names !== undefined) return names;
  names = readNames(value);
  if (value.length > LATELY_LENGTH) return names;
  if (knownNames.size >= LATELY_LIMIT) knownNames.clear();
  knownNames.set(copyText(value), names);
  return names;
}

const knownNames = new Map<string, readonly string[] | '*'>();

function readNames(value: string): readonly string[] | '*' {
  const names = lowerCaseList(value);
  if (names.some((name) => name === '*' || !isToken(name))) return '*';
  return [...new Set(names)].sort().map(copyText);
}

/**
 * The part of the key that `Vary` adds (RFC 9111 §4.1): two requests match exactly when their parts are equal. A
 * field that is absent matches only where it is absent too, so absence is written differently from emptiness.
 */
export function variantKey(
  names: readonly string[],
  request: Fields,
  normalisation: VaryNormalisation,
): string {
  let key = '';
  for (const name of names) {
    const value = combinedValue(request, name);
    // Field values hold no line feed, so it can separate them.
    key += value === undefined ? '\n-' : `\n+${normaliseValue(name, value, normalisation)}`;
  }
  return key;
}

/** Values that were normalised lately; the same few come again and again. */
const lately = new Map<string, string>();
const LATELY_LIMIT = 512;
/** Longer ones are not remembered: they differ, and are not counted as the cache's memory. */
const LATELY_LENGTH = 256;

/** One combined value in the form in which it is compared; `name` is lower case. */
export function normaliseValue(name: string, value: string, normalisation: VaryNormalisation): string {
  if (normalisation === 'exact') return trimOws(value);
  const preference = normalisation === 'semantic' && isPreferenceList(name);
  if (!preference && value.indexOf(',') < 0) return trimOws(value);
  const memo = preference ? `${name}:${value}` : value;
  let normal = lately.get(memo);
  if (normal === undefined) {
    normal = preference ? normalisePreferences(name, value) : withoutListSpace(value);
    if (memo.length > LATELY_LENGTH) return normal;
    if (lately.size >= LATELY_LIMIT) lately.clear();
    // Copies: pieces of a request's head would keep all of it.
    lately.set(copyText(memo), copyText(normal));
  }
  return normal;
}

function isPreferenceList(name: string): boolean {
  return (
    name === 'accept-encoding' || name === 'accept-language' || name === 'accept' || name === 'accept-charset'
  );
}

/** Splits at commas outside of quoted strings; an open quote runs to the end. */
function listMembers(value: string): string[] {
  const members: string[] = [];
  let start = 0;
  let at = 0;
  while (at < value.length) {
    const code = value.charCodeAt(at);
    if (code === 34) {
      const end = quotedStringEnd(value, at);
      at = end < 0 ? value.length : end;
      continue;
    }
    if (code === 44) {
      members.push(trimOws(value.slice(start, at)));
      start = at + 1;
    }
    at++;
  }
  members.push(trimOws(value.slice(start)));
  return members;
}

function withoutListSpace(value: string): string {
  return listMembers(value).join(',');
}

/**
 * Members in a fixed order, since they are ranked by `q` alone (RFC 9110 §12.4.2, §12.5.4), in lower case, `q`
 * without superfluous digits. Parameters of media types may be case-sensitive, so `Accept` keeps those.
 */
function normalisePreferences(name: string, value: string): string {
  const members: string[] = [];
  for (const member of listMembers(value)) {
    if (member === '') continue;
    const [range, ...parameters] = member.split(';').map(trimOws) as [string, ...string[]];
    let normal = range.toLowerCase();
    for (const parameter of parameters) {
      const quality = /^q=(\d(?:\.\d{0,3})?)$/i.exec(parameter);
      if (quality !== null) {
        const q = Number(quality[1]);
        if (q !== 1) normal += `;q=${q}`;
      } else normal += `;${name === 'accept' ? parameter : parameter.toLowerCase()}`;
    }
    members.push(normal);
  }
  return members.sort().join(',');
}
