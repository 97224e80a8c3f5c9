import { checkedField } from '@rp/parser';
import type { LocalAnswer } from '../answers.ts';
import { reasonPhrase } from '../reason-phrases.ts';

/** A response of the proxy's own as bytes. Throws a `TypeError` for a field that would split it. */
export function serializeAnswer(
  answer: LocalAnswer,
  connection: '' | 'close' | 'keep-alive',
  toHead: boolean,
  date: string,
): Buffer {
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : (answer.body ?? Buffer.alloc(0));
  const bodyless = answer.status === 204 || answer.status === 304;
  let head = `HTTP/1.1 ${answer.status} ${reasonPhrase(answer.status)}\r\nDate: ${date}\r\n`;
  const fields = answer.fields ?? [];
  for (let i = 0; i + 1 < fields.length; i += 2) head += checkedField(fields[i]!, fields[i + 1]!);
  if (!bodyless) head += `Content-Length: ${body.length}\r\n`;
  if (connection !== '') head += `Connection: ${connection}\r\n`;
  head += '\r\n';
  return toHead || bodyless
    ? Buffer.from(head, 'latin1')
    : Buffer.concat([Buffer.from(head, 'latin1'), body]);
}
