import { BodyFraming, FieldId, RequestHead, fieldId, fieldValue } from '@rp/parser';
import type { CacheRequest } from './cache-contract.ts';
import type { Downstream } from './downstream.ts';

/**
 * The request as the cache sees it. What a trusted proxy says of the client's request reaches the backend, which may
 * answer by it: so it is part of the key.
 */
export function cacheRequest(
  head: RequestHead,
  client: Pick<Downstream, 'secure' | 'trusted'>,
): CacheRequest {
  const { method, host, path, sharedFields: fields } = head;
  const scheme = client.secure ? 'https' : 'http';
  const request = { method, scheme, host, target: path, fields };
  if (!client.trusted) return request;
  const proto = fieldValue(head, FieldId.xForwardedProto) ?? scheme;
  const authority = fieldValue(head, FieldId.xForwardedHost) ?? host;
  const port = fieldValue(head, FieldId.xForwardedPort) ?? '';
  request.scheme = proto;
  // No field value holds a line feed: nothing that a client can write collides with these.
  if (authority !== host) request.host = `${authority}\n${host}`;
  if (port !== '' && port !== (proto === 'https' ? '443' : '80')) request.host += `\n:${port}`;
  return request;
}

/** `head` with conditions of the cache's own in place of the client's (RFC 9111 §4.3.1). */
export function withConditions(head: RequestHead, added: readonly string[]): RequestHead {
  const fields: string[] = [];
  const ids: RequestHead['ids'] = [];
  for (let i = 0; i < head.ids.length; i++) {
    const id = head.ids[i]!;
    if (id === FieldId.ifNoneMatch || id === FieldId.ifModifiedSince) continue;
    ids.push(id);
    fields.push(head.fields[2 * i]!, head.fields[2 * i + 1]!);
  }
  for (let i = 0; i + 1 < added.length; i += 2) {
    ids.push(fieldId(added[i]!));
    fields.push(added[i]!, added[i + 1]!);
  }
  return copyOf(head, fields, ids);
}

function copyOf(head: RequestHead, fields: string[], ids: RequestHead['ids']): RequestHead {
  return new RequestHead(
    head.method,
    head.target,
    head.minor,
    fields,
    ids,
    head.framing,
    head.contentLength,
    head.host,
    head.path,
    head.keepAlive,
    head.upgrade,
    head.expectContinue,
  );
}

/** What a trusted proxy said of the client's request. */
const forwarding: readonly number[] = [
  FieldId.xForwardedProto,
  FieldId.xForwardedHost,
  FieldId.xForwardedPort,
];

/**
 * The request of an exchange without a client (RFC 9111 §4.3.1): what the stored response depends on, no more.
 *
 * @param head the client's
 */
export function backgroundRequest(request: CacheRequest, head: RequestHead): RequestHead {
  const { host, path } = head;
  const fields = ['Host', host, ...request.fields];
  const ids = fields.filter((_, index) => index % 2 === 0).map((name) => fieldId(name));
  for (let i = 0; i < head.ids.length; i++) {
    const id = head.ids[i]!;
    if (!forwarding.includes(id) || ids.includes(id)) continue;
    ids.push(id);
    fields.push(head.fields[2 * i]!, head.fields[2 * i + 1]!);
  }
  return new RequestHead('GET', path, 1, fields, ids, BodyFraming.none, -1, host, path, true, '', false);
}
