import { createHash, randomBytes } from 'node:crypto';
import { FieldId, fieldId, type RequestHead, type ResponseHead } from '@rp/parser';

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
  head.framing = 0;
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
