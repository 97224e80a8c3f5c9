import { FieldId, fieldId, isNeverForwarded } from './field-id.ts';
import { checkedField } from './field-syntax.ts';
import type { FieldSource } from './heads.ts';

/**
 * Adds a field at the end.
 * @throws TypeError if name or value could split the message, or if the field is one that forwarding writes
 * itself: hop-by-hop fields, `Content-Length`, `Host`
 */
export function appendField(head: FieldSource, name: string, value: string): void {
  const id = checkedId(name, value);
  head.fields.push(name, value);
  head.ids.push(id);
}

function checkedId(name: string, value: string): FieldId {
  checkedField(name, value);
  const id = fieldId(name);
  if (isNeverForwarded(id) || id === FieldId.contentLength || id === FieldId.host) {
    throw new TypeError(`${name} is written when the message is forwarded`);
  }
  return id;
}

/** Removes every field of this name, whatever its case. @returns how many there were */
export function removeField(head: FieldSource, name: string): number {
  const { fields, ids } = head;
  const wanted = name.toLowerCase();
  let kept = 0;
  for (let i = 0; i < ids.length; i++) {
    const other = fields[2 * i] as string;
    if (other.length === wanted.length && other.toLowerCase() === wanted) continue;
    fields[2 * kept] = other;
    fields[2 * kept + 1] = fields[2 * i + 1] as string;
    ids[kept++] = ids[i] as FieldId;
  }
  const removed = ids.length - kept;
  fields.length = 2 * kept;
  ids.length = kept;
  return removed;
}

/** Replaces every field of this name by one at the end. @throws TypeError as {@link appendField} does */
export function setField(head: FieldSource, name: string, value: string): void {
  checkedId(name, value);
  removeField(head, name);
  appendField(head, name, value);
}
