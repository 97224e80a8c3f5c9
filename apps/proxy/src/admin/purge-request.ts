import type { PurgeTarget } from '../run/worker-cache.ts';
import { AdminError } from './json-body.ts';

const ALLOWED = 'exactly one of "url", "prefix", "pattern", "tag" (texts that are not empty) and "all": true';

/**
 * What a purge asks for.
 * @throws {AdminError} 400 with what is allowed
 */
export function purgeTarget(asked: Readonly<Record<string, unknown>>): PurgeTarget {
  const [entry, ...others] = Object.entries(asked);
  if (entry === undefined || others.length > 0) throw new AdminError(400, `send ${ALLOWED}`);
  const [kind, value] = entry;
  if (kind === 'all' && value === true) return { kind: 'all' };
  if (typeof value !== 'string' || value === '') throw new AdminError(400, `send ${ALLOWED}`);
  switch (kind) {
    case 'url':
      return urlTarget(value);
    case 'prefix':
      return { kind: 'pattern', pattern: `${value}*` };
    case 'pattern':
      return { kind: 'pattern', pattern: value };
    case 'tag':
      return { kind: 'tag', tag: value };
    default:
      throw new AdminError(400, `send ${ALLOWED}`);
  }
}

/** Taken apart without the normalisation of `URL`: what is stored was asked for byte by byte. */
function urlTarget(url: string): PurgeTarget {
  const [, scheme = '', host = '', target = ''] = /^(https?):\/\/([^/?#]+)([^#]*)$/iu.exec(url) ?? [];
  if (host === '')
    throw new AdminError(400, `"url" must be a whole one, such as http://example.com/a?b; found ${url}`);
  return {
    kind: 'url',
    scheme: scheme.toLowerCase(),
    host: host.toLowerCase(),
    target: target.startsWith('/') ? target : `/${target}`,
  };
}
