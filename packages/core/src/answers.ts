import type { ProxyFailure } from './failure.ts';
import { reasonPhrase } from './reason-phrases.ts';

/** A response of the proxy's own: for a failure, or made by a hook. */
export interface LocalAnswer {
  readonly status: number;
  /** Flat `name, value, …`; checked when written, so a handler cannot split the response. */
  readonly fields?: readonly string[];
  readonly body?: string | Uint8Array;
}

/** What `Allow` says: other methods are forwarded too, where the parser knows them. */
export const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Bytes of body that `answer` is sent with, to anything but HEAD. */
export function bodyLength({ status, body }: LocalAnswer): number {
  return body === undefined || status === 204 || status === 304 ? 0 : Buffer.byteLength(body);
}

/** What the client would like to read, best first (RFC 9110 §12.5.1, as far as three types need it). */
type ErrorFormat = 'text' | 'html' | 'json';

const formatByType: Record<string, ErrorFormat> = {
  'text/html': 'html',
  'application/xhtml+xml': 'html',
  'application/json': 'json',
  'application/problem+json': 'json',
  'application/*': 'json',
  'text/plain': 'text',
  'text/*': 'text',
};

function errorFormat(accept: string | undefined): ErrorFormat {
  if (accept === undefined) return 'text';
  let best: ErrorFormat = 'text';
  let bestQuality = 0;
  // Bounded by the limit on fields; ties go to the one named first.
  for (const item of accept.toLowerCase().split(',')) {
    const [type, ...parameters] = item.split(';');
    const format = formatByType[type!.trim()];
    if (format === undefined) continue;
    const weight = parameters.find((parameter) => parameter.trim().startsWith('q='));
    const quality = weight === undefined ? 1 : Number(weight.trim().slice(2));
    if (quality > bestQuality) {
      bestQuality = quality;
      best = format;
    }
  }
  return best;
}

const contentTypes: Record<ErrorFormat, string> = {
  text: 'text/plain; charset=utf-8',
  html: 'text/html; charset=utf-8',
  json: 'application/json; charset=utf-8',
};

/**
 * The answer to a failure (spec 7.1): plain text, HTML or JSON by `Accept`, with the request id and nothing of
 * our insides. `retryAfter` is in seconds.
 */
export function answerFor(
  failure: ProxyFailure,
  requestId: string,
  accept: string | undefined,
  retryAfter?: number,
): LocalAnswer {
  const format = errorFormat(accept);
  const fields = [
    'Content-Type',
    contentTypes[format],
    'Cache-Control',
    'no-store',
    'X-Request-Id',
    requestId,
  ];
  if (failure.status === 503) fields.push('Retry-After', String(retryAfter ?? 1));
  if (failure.status === 405) fields.push('Allow', allowedMethods);
  return { status: failure.status, fields, body: render(format, failure, requestId) };
}

function render(format: ErrorFormat, failure: ProxyFailure, requestId: string): string {
  const { status, message } = failure;
  const title = `${status} ${reasonPhrase(status)}`;
  switch (format) {
    case 'json':
      return JSON.stringify({ status, code: failure.code, message, requestId }) + '\n';
    case 'html':
      return (
        `<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>${title}</title>\n` +
        `<h1>${title}</h1>\n<p>${message}</p>\n<p><small>Request ${escapeHtml(requestId)}</small></p></html>\n`
      );
    case 'text':
      return `${title}\n${message}\nRequest ${requestId}\n`;
  }
}

// A kept X-Request-Id comes from a trusted proxy, which may have kept it from anybody.
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}
