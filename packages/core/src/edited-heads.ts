import {
  FieldId,
  fieldId,
  isAuthority,
  isCleanTarget,
  isFieldName,
  isFieldValue,
  isNeverForwarded,
  isReasonPhrase,
  type RequestHead,
  type ResponseHead,
} from '@rp/parser';

/*
 * Handlers are told to edit fields with `setField`, which refuses what could split a message; heads are plain objects
 * all the same. So what handlers leave behind is looked at once more, by connections with handlers only (hazards:
 * "bare LF, bare CR, NUL: refused, also in what hooks write").
 */

/** Whether a request can be forwarded after handlers had it. */
export function isRequestIntact(head: RequestHead): boolean {
  if (!isFieldName(head.method) || !isCleanTarget(head.path)) return false;
  return (head.host === '' || isAuthority(head.host)) && areFieldsIntact(head);
}

/** Whether a response can be relayed after handlers had it. */
export function isResponseIntact(head: ResponseHead): boolean {
  const { status } = head;
  return (
    Number.isInteger(status) &&
    status >= 200 &&
    status <= 999 &&
    isReasonPhrase(head.reason) &&
    areFieldsIntact(head)
  );
}

function areFieldsIntact(head: RequestHead | ResponseHead): boolean {
  // Nobody asked for the fields, so nobody changed them.
  if (head.lines !== undefined) return true;
  const { fields, ids } = head;
  if (fields.length !== 2 * ids.length) return false;
  for (let i = 0; i < ids.length; i++) {
    const name = fields[2 * i]!;
    if (!isFieldName(name) || !isFieldValue(fields[2 * i + 1]!)) return false;
    if (ids[i] === FieldId.other && isGuarded(fieldId(name))) return false;
  }
  return true;
}

function isGuarded(id: FieldId): boolean {
  return isNeverForwarded(id) || id === FieldId.contentLength || id === FieldId.host;
}
