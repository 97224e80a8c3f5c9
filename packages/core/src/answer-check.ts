import { FieldId, checkedField, fieldId, isNeverForwarded } from '@rp/parser';

/**
 * What is wrong with an answer that a handler gave, or undefined. Handlers may be plain JavaScript, so nothing about
 * it is taken for granted; framing is ours to write (RFC 9112 §6).
 */
export function answerFault(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return 'an answer must be an object';
  const { status, fields = [], body } = answer as { status?: unknown; fields?: unknown; body?: unknown };
  if (!Number.isInteger(status) || (status as number) < 200 || (status as number) > 599) {
    return 'the status of an answer must be 200 to 599';
  }
  if (body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)) {
    return 'the body of an answer must be a string or bytes';
  }
  if (!Array.isArray(fields) || fields.length % 2 !== 0)
    return 'the fields of an answer must be names and values in turn';
  for (let i = 0; i < fields.length; i += 2) {
    const fault = fieldFault(fields[i], fields[i + 1]);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function fieldFault(name: unknown, value: unknown): string | undefined {
  if (typeof name !== 'string' || typeof value !== 'string') return 'field names and values must be strings';
  try {
    checkedField(name, value);
  } catch (error) {
    return (error as Error).message;
  }
  const id = fieldId(name);
  const ours = isNeverForwarded(id) || id === FieldId.contentLength || id === FieldId.date;
  return ours ? `${name} is written by the proxy` : undefined;
}
