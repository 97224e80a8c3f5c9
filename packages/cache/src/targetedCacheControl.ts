import { parseDictionary, Token } from 'structured-headers';
import { MAX_DELTA_SECONDS } from './deltaSeconds.ts';
import { combinedValue } from './fields.ts';
import type { Fields } from './fields.ts';
import { parseResponseDirectives, ResponseDirectives } from './responseDirectives.ts';

/**
 * The directives that decide caching of a response: those of the first field on the target list that is there,
 * valid and not empty, else those of `Cache-Control` (RFC 9213 §2.2).
 *
 * @param targetList field names in lower case, most applicable first.
 */
export function effectiveDirectives(fields: Fields, targetList: readonly string[]): ResponseDirectives {
  for (const name of targetList) {
    const value = combinedValue(fields, name);
    const directives = value === undefined ? undefined : parseTargeted(value);
    if (directives !== undefined) return directives;
  }
  return parseResponseDirectives(fields);
}

/** Directives whose value is an Integer; any other type makes the field useless (RFC 9213 §2.1). */
const INTEGER_DIRECTIVES = new Set(['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error']);

/**
 * Reads one targeted field as a Dictionary (RFC 9213 §2.1).
 *
 * @returns `undefined` when the field is empty, not a Dictionary, or holds a known directive of the wrong type:
 * it then counts as absent.
 */
export function parseTargeted(value: string): ResponseDirectives | undefined {
  // A number beyond the range of a Structured Field (RFC 9651 §3.3.1) is still a delta-seconds, which
  // saturates (RFC 9111 §1.2.2); without this an `Integer` of 16 digits would make the field invalid.
  let members: ReturnType<typeof parseDictionary>;
  try {
    members = parseDictionary(value.replace(/(=\s*)\d{16,}(?![\d.])/g, `$1${MAX_DELTA_SECONDS}`));
  } catch (error) {
    if (error instanceof Error) return undefined; // a parse error: as if it were not there (§2.1)
    throw error;
  }
  if (members.size === 0) return undefined;
  const directives = new ResponseDirectives();
  directives.targeted = true;
  for (const [name, [item]] of members) {
    if (Array.isArray(item)) continue;
    if (INTEGER_DIRECTIVES.has(name)) {
      if (!Number.isInteger(item) || (item as number) < 0) return undefined;
      directives.directive(name, String(item));
    } else if (item === true) directives.directive(name, undefined);
    else if (typeof item === 'string') directives.directive(name, item);
    else if (item instanceof Token) directives.directive(name, item.toString());
  }
  return directives;
}
