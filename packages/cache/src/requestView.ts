import { equalsIgnoreCase } from './fields.ts';
import type { Fields } from './fields.ts';
import { NO_REQUEST_DIRECTIVES, parseRequestDirectives } from './requestDirectives.ts';
import type { RequestDirectives } from './requestDirectives.ts';

/**
 * What the cache looks at in a request, gathered in one pass over its fields. One view is filled again for every
 * look-up, so that a hit allocates nothing for it.
 */
export class RequestView {
  directives: RequestDirectives = NO_REQUEST_DIRECTIVES;
  authorized = false;
  cookie: string | undefined = undefined;
  range: string | undefined = undefined;
  ifRange: string | undefined = undefined;
  ifNoneMatch: string | undefined = undefined;
  ifModifiedSince: string | undefined = undefined;
  /** `If-Match` or `If-Unmodified-Since`: for the origin alone (RFC 9111 §4.3.2). */
  originPrecondition = false;
  /** The request has content, or asks for another method or path than its own: input that is not in the key. */
  unkeyedInput = false;

  #cacheControl: string | undefined = undefined;
  #pragma: string | undefined = undefined;
  // Clients repeat themselves: the last value is read once.
  #lastControl: string | undefined = undefined;
  #lastPragma: string | undefined = undefined;
  #lastDirectives: RequestDirectives = NO_REQUEST_DIRECTIVES;

  /** Reads `fields` anew. */
  fill(fields: Fields): void {
    this.authorized = false;
    this.cookie = undefined;
    this.range = undefined;
    this.ifRange = undefined;
    this.ifNoneMatch = undefined;
    this.ifModifiedSince = undefined;
    this.originPrecondition = false;
    this.unkeyedInput = false;
    this.#cacheControl = undefined;
    this.#pragma = undefined;
    for (let i = 0; i + 1 < fields.length; i += 2) this.#take(fields[i] as string, fields[i + 1] as string);
    this.#readDirectives();
  }

  #take(name: string, value: string): void {
    switch (name.length) {
      case 5:
        // Repeated, a Range cannot be read: it is ignored later, since the combined value has no valid form.
        if (equalsIgnoreCase(name, 'range')) this.range = joined(this.range, value);
        break;
      case 6:
        if (equalsIgnoreCase(name, 'cookie')) this.cookie = joined(this.cookie, value, '; ');
        else if (equalsIgnoreCase(name, 'pragma')) this.#pragma = joined(this.#pragma, value);
        break;
      case 8:
        if (equalsIgnoreCase(name, 'if-range')) this.ifRange = joined(this.ifRange, value);
        else if (equalsIgnoreCase(name, 'if-match')) this.originPrecondition = true;
        break;
      case 13:
        this.#takeThirteen(name, value);
        break;
      case 14:
        if (equalsIgnoreCase(name, 'content-length') && value !== '0') this.unkeyedInput = true;
        else if (equalsIgnoreCase(name, 'x-original-url')) this.unkeyedInput = true;
        break;
      case 17:
        if (equalsIgnoreCase(name, 'if-modified-since')) {
          this.ifModifiedSince = joined(this.ifModifiedSince, value);
        } else if (
          equalsIgnoreCase(name, 'transfer-encoding') ||
          equalsIgnoreCase(name, 'x-method-override')
        ) {
          this.unkeyedInput = true;
        }
        break;
      case 19:
        if (equalsIgnoreCase(name, 'if-unmodified-since')) this.originPrecondition = true;
        break;
      case 22:
        if (equalsIgnoreCase(name, 'x-http-method-override')) this.unkeyedInput = true;
        break;
      default:
    }
  }

  #takeThirteen(name: string, value: string): void {
    if (equalsIgnoreCase(name, 'cache-control')) this.#cacheControl = joined(this.#cacheControl, value);
    else if (equalsIgnoreCase(name, 'if-none-match')) this.ifNoneMatch = joined(this.ifNoneMatch, value);
    else if (equalsIgnoreCase(name, 'authorization')) this.authorized = true;
    else if (equalsIgnoreCase(name, 'x-http-method')) this.unkeyedInput = true;
    else if (equalsIgnoreCase(name, 'x-rewrite-url')) this.unkeyedInput = true;
  }

  #readDirectives(): void {
    if (this.#cacheControl === undefined && this.#pragma === undefined) {
      this.directives = NO_REQUEST_DIRECTIVES;
    } else if (this.#cacheControl === this.#lastControl && this.#pragma === this.#lastPragma) {
      this.directives = this.#lastDirectives;
    } else {
      this.directives = parseRequestDirectives(this.#cacheControl, this.#pragma);
      this.#lastControl = this.#cacheControl;
      this.#lastPragma = this.#pragma;
      this.#lastDirectives = this.directives;
    }
  }
}

function joined(before: string | undefined, value: string, separator = ', '): string {
  return before === undefined ? value : `${before}${separator}${value}`;
}
