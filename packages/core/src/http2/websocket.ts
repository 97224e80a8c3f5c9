import { createHash, randomBytes } from 'node:crypto';
import { BodyFraming, FieldId, ResponseHead, fieldId, type RequestHead } from '@rp/parser';

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** What a server that understood `key` must answer in `Sec-WebSocket-Accept` (RFC 6455 §4.2.2). */
function acceptFor(key: string): string {
  return createHash('sha1')
    .update(key + GUID)
    .digest('base64');
}

/**
 * Turns an extended CONNECT for `websocket` (RFC 8441 §5) into the HTTP/1.1 upgrade that a backend knows. The key is
 * ours: HTTP/2 has none, and a client's would be of no use.
 *
 * @returns what the backend must answer in `Sec-WebSocket-Accept`
 */
export function asUpgrade(head: RequestHead): string {
  const key = randomBytes(16).toString('base64');
  head.method = 'GET';
  head.upgrade = 'websocket';
  head.framing = BodyFraming.none;
  head.contentLength = -1;
  const fields: string[] = [];
  const ids: FieldId[] = [];
  for (let i = 0; i < head.ids.length; i++) {
    const name = head.nameAt(i);
    if (name === 'sec-websocket-key' || head.ids[i] === FieldId.contentLength) continue;
    fields.push(name, head.valueAt(i));
    ids.push(head.ids[i]!);
  }
  fields.push('Sec-WebSocket-Key', key);
  ids.push(fieldId('sec-websocket-key'));
  head.fields = fields;
  head.ids = ids;
  return acceptFor(key);
}

/** Whether a 101 is the answer to our upgrade (RFC 6455 §4.1). */
export function isAccepted(head: ResponseHead, accept: string): boolean {
  if (head.upgrade.toLowerCase() !== 'websocket') return false;
  let found = false;
  for (let i = 0; i < head.ids.length; i++) {
    if (head.nameAt(i).toLowerCase() !== 'sec-websocket-accept') continue;
    if (found || head.valueAt(i) !== accept) return false;
    found = true;
  }
  return found;
}

/** A protocol switch that HTTP/2 can carry: everything else would have to be an upgrade there too (RFC 9113 §8.6). */
export function isWebSocket(request: RequestHead): boolean {
  return request.upgrade.toLowerCase() === 'websocket';
}

/**
 * What the client of an HTTP/1.1 upgrade must find in `Sec-WebSocket-Accept`. Over HTTP/2 no backend sees its key, so
 * that what is wrong with the handshake has to be found here (RFC 6455 §4.2.1).
 *
 * @returns undefined for a handshake that no server would accept
 */
export function acceptOfUpgrade(request: RequestHead): string | undefined {
  if (request.method !== 'GET' || request.framing !== BodyFraming.none) return undefined;
  let key = '';
  for (let i = 0; i < request.ids.length; i++) {
    if (request.nameAt(i).toLowerCase() !== 'sec-websocket-key') continue;
    if (key !== '') return undefined;
    key = request.valueAt(i);
  }
  return /^[A-Za-z0-9+/]{22}==$/.test(key) ? acceptFor(key) : undefined;
}

/** The 2xx that answers an extended CONNECT as the 101 that an HTTP/1.1 upgrade ends with (RFC 8441 §5). */
export function asSwitch(head: ResponseHead, accept: string): ResponseHead {
  const fields: string[] = [];
  const ids: FieldId[] = [];
  for (let i = 0; i < head.ids.length; i++) {
    if (head.nameAt(i) === 'sec-websocket-accept') continue;
    fields.push(head.nameAt(i), head.valueAt(i));
    ids.push(head.ids[i]!);
  }
  fields.push('sec-websocket-accept', accept);
  ids.push(fieldId('sec-websocket-accept'));
  const { none } = BodyFraming;
  return new ResponseHead(101, 'Switching Protocols', 1, fields, ids, none, -1, true, 'websocket', 2);
}
