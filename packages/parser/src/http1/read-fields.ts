import { FieldId, fieldId, lookUpField } from './field-id.ts';
import { FieldLines } from './field-lines.ts';
import { Span } from './llhttp.ts';

/**
 * Turns the spans on the tape into field lines, and keeps at hand what framing and routing ask for. Repeated
 * fields are joined by commas (RFC 9110 §5.3), `Host` is counted.
 */
export class FieldReader {
  /** After {@link read}: the field lines. */
  lines: FieldLines;
  /** After {@link read}: which known field each one is. */
  ids: FieldId[];
  connection: string | undefined;
  transferEncoding: string | undefined;
  contentLength: string | undefined;
  upgrade: string | undefined;
  expect: string | undefined;
  host: string;
  hosts: number;

  constructor() {
    this.lines = new FieldLines('', [], true);
    this.ids = [];
    this.connection = undefined;
    this.transferEncoding = undefined;
    this.contentLength = undefined;
    this.upgrade = undefined;
    this.expect = undefined;
    this.host = '';
    this.hosts = 0;
  }

  /**
   * Reads what `tape[from .. used)` notes.
   * @param bytes what the addresses on the tape point into
   * @param origin address of the first character of `text`
   */
  read(text: string, bytes: Uint8Array, origin: number, tape: Int32Array, from: number, used: number): void {
    this.#clear();
    const count = Math.floor((used - from) / 6);
    // Filling arrays of the right length costs half of growing them.
    const marks = Array<number>(count * 4);
    const ids = Array<FieldId>(count);
    let canonical = true;
    let lineAt = count === 0 ? 0 : (tape[from + 1] as number) - origin;
    for (let field = 0, i = from; field < count; field++, i += 6) {
      const nameEnd = lineAt + (tape[i + 2] as number);
      const valueAt = (tape[i + 4] as number) - origin;
      const valueEnd = trimmedEnd(bytes, tape[i + 4] as number, tape[i + 5] as number) - origin;
      const nextAt = field + 1 < count ? (tape[i + 7] as number) - origin : text.length - 2;
      if (valueAt !== nameEnd + 2 || valueEnd !== nextAt - 2 || bytes[origin + nameEnd + 1] !== 0x20) {
        canonical = false;
      }
      marks[4 * field] = lineAt;
      marks[4 * field + 1] = nameEnd;
      marks[4 * field + 2] = valueAt;
      marks[4 * field + 3] = valueEnd;
      const id = lookUpField(bytes, origin + lineAt, nameEnd - lineAt);
      ids[field] = id;
      if (id !== FieldId.other && id <= FieldId.expect) this.#keep(id, text.slice(valueAt, valueEnd));
      lineAt = nextAt;
    }
    this.lines = new FieldLines(text, marks, canonical);
    this.ids = ids;
  }

  #clear(): void {
    this.connection = undefined;
    this.transferEncoding = undefined;
    this.contentLength = undefined;
    this.upgrade = undefined;
    this.expect = undefined;
    this.host = '';
    this.hosts = 0;
  }

  #keep(id: FieldId, value: string): void {
    switch (id) {
      case FieldId.connection:
        this.connection = joined(this.connection, value);
        break;
      case FieldId.transferEncoding:
        this.transferEncoding = joined(this.transferEncoding, value);
        break;
      case FieldId.contentLength:
        this.contentLength = joined(this.contentLength, value);
        break;
      case FieldId.upgrade:
        this.upgrade = joined(this.upgrade, value);
        break;
      case FieldId.expect:
        this.expect = joined(this.expect, value);
        break;
      case FieldId.host:
        this.host = value;
        this.hosts++;
        break;
    }
  }
}

function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`;
}

/** llhttp leaves white space at the end of a value, which is not part of it (RFC 9112 §5.1). */
function trimmedEnd(bytes: Uint8Array, start: number, length: number): number {
  let at = start + length;
  while (at > start && (bytes[at - 1] === 0x20 || bytes[at - 1] === 0x09)) at--;
  return at;
}

/** True if a field with this id is among the spans of a text. Only asked when a message is refused. */
export function isNoted(text: string, spans: readonly number[], id: FieldId): boolean {
  for (let i = 0; i < spans.length; i += 3) {
    const at = spans[i + 1] as number;
    if (spans[i] === Span.name && fieldId(text.slice(at, at + (spans[i + 2] as number))) === id) return true;
  }
  return false;
}
