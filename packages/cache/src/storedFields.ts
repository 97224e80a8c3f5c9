import { combinedValue, equalsIgnoreCase, firstValue, lowerCaseList } from './fields.ts';
import type { Fields } from './fields.ts';
import { formatHttpDate } from './httpDate.ts';
import { copyText } from './latin1.ts';
import type { ResponseDirectives } from './responseDirectives.ts';

/**
 * Never stored: hop-by-hop fields (RFC 9110 §7.6.1), fields of one proxy (RFC 9111 §3.1), and those that are
 * written anew for every answer (`Age`, §4; `Content-Length`, from what was counted).
 */
const NEVER_STORED = new Set([
  'age',
  'connection',
  'content-length',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Describe the stored bytes themselves, which a 304 or a HEAD response cannot have changed: the stored response
 * depends upon them (RFC 9111 §3.2, second and third exception), so they are not updated.
 */
const NEVER_UPDATED = new Set(['content-digest', 'content-encoding', 'content-md5', 'content-range']);

/** Names as they were written, and whether they are stored: there are few spellings, but many responses. */
const spellings = new Map<string, boolean>();

function isNeverStored(name: string): boolean {
  let never = spellings.get(name);
  if (never === undefined) {
    never = NEVER_STORED.has(name.toLowerCase());
    if (spellings.size >= 512) spellings.clear();
    // A copy: the name may be a piece of a whole head, which would be kept with it.
    spellings.set(copyText(name), never);
  }
  return never;
}

/**
 * The fields to store (RFC 9111 §3.1): all that came, unknown ones among them, except those never stored, those
 * named by `Connection`, and those named by `no-cache="…"` (§5.2.2.4) or `private="…"` (§5.2.2.7).
 *
 * A response without `Date` gets the time of receipt (RFC 9110 §6.6.1).
 */
export function storedFields(fields: Fields, directives: ResponseDirectives, responseTime: number): string[] {
  const excluded = excludedNames(fields, directives);
  const stored: string[] = [];
  let dated = false;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (isNeverStored(name)) continue;
    if (excluded.length > 0 && excluded.includes(name.toLowerCase())) continue;
    if (equalsIgnoreCase(name, 'date')) dated = true;
    stored.push(name, fields[i + 1] as string);
  }
  if (!dated) stored.push('Date', formatHttpDate(responseTime));
  return stored;
}

/** The same as the head that is stored, without `Content-Length`, where no names are excluded. */
export function storedHead(status: number, reason: string, fields: Fields, responseTime: number): string {
  let head = `HTTP/1.1 ${status} ${reason}\r\n`;
  let dated = false;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as string;
    if (isNeverStored(name)) continue;
    if (name.length === 4 && equalsIgnoreCase(name, 'date')) dated = true;
    head += `${name}: ${fields[i + 1] as string}\r\n`;
  }
  return dated ? head : `${head}Date: ${formatHttpDate(responseTime)}\r\n`;
}

/**
 * The stored fields updated by those of a 304 or HEAD response (RFC 9111 §3.2): each field of the new response
 * replaces all lines of that name, with the exceptions of that section.
 *
 * @param keepTag leaves `ETag` as it was, for a 304 that carries another one but is accepted all the same.
 */
export function updatedFields(
  stored: Fields,
  received: Fields,
  directives: ResponseDirectives,
  keepTag: boolean,
): string[] {
  const excluded = excludedNames(received, directives);
  const incoming: string[] = [];
  const replaced = new Set<string>();
  for (let i = 0; i + 1 < received.length; i += 2) {
    const name = received[i] as string;
    const lower = name.toLowerCase();
    if (NEVER_STORED.has(lower) || NEVER_UPDATED.has(lower) || excluded.includes(lower)) continue;
    if (keepTag && lower === 'etag') continue;
    replaced.add(lower);
    incoming.push(name, received[i + 1] as string);
  }
  const updated: string[] = [];
  for (let i = 0; i + 1 < stored.length; i += 2) {
    const lower = (stored[i] as string).toLowerCase();
    if (!replaced.has(lower) && !excluded.includes(lower)) {
      updated.push(stored[i] as string, stored[i + 1] as string);
    }
  }
  updated.push(...incoming);
  return updated;
}

const NONE: readonly string[] = [];

/** Names that are left out of this response beside those that always are; in lower case. */
export function excludedNames(fields: Fields, directives: ResponseDirectives): readonly string[] {
  let connection = combinedValue(fields, 'connection');
  if (connection !== undefined && isPlainConnection(connection)) connection = undefined;
  const { noCacheFields, privateFields } = directives;
  const qualified =
    noCacheFields.length + privateFields.length === 0 ? NONE : [...noCacheFields, ...privateFields];
  return connection === undefined ? qualified : [...qualified, ...lowerCaseList(connection)];
}

/** What nearly all say that say something; it names nothing that would be stored. */
function isPlainConnection(value: string): boolean {
  return equalsIgnoreCase(value, 'keep-alive') || equalsIgnoreCase(value, 'close');
}

/**
 * Fields of a 304 made from a stored response (RFC 9110 §15.4.5): those that must be there, and `Last-Modified`
 * where there is no `ETag` to go by.
 */
export function notModifiedFields(stored: Fields): string[] {
  const hasTag = firstValue(stored, 'etag') !== undefined;
  const kept: string[] = [];
  for (let i = 0; i + 1 < stored.length; i += 2) {
    const name = stored[i] as string;
    if (isMetadata(name) || (!hasTag && equalsIgnoreCase(name, 'last-modified'))) {
      kept.push(name, stored[i + 1] as string);
    }
  }
  return kept;
}

const METADATA = ['etag', 'date', 'vary', 'expires', 'cache-control', 'content-location'];

function isMetadata(name: string): boolean {
  return METADATA.some((lower) => equalsIgnoreCase(name, lower));
}

/** Status line and field lines as they are written, without the empty line that ends a head. */
export function headOf(status: number, reason: string, fields: Fields): string {
  let head = `HTTP/1.1 ${status} ${reason}\r\n`;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    head += `${fields[i] as string}: ${fields[i + 1] as string}\r\n`;
  }
  return head;
}
