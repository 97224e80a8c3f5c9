import type { ForwardedRequest } from './forwarded-request.ts';
import type { ForwardedResponse } from './forwarded-response.ts';

/**
 * The field lines of a head: its text, and where in it names and values are. Cutting them out costs as much
 * as all the rest of reading a head, and most of them are only ever copied, so that waits until somebody
 * asks.
 */
export class FieldLines {
  readonly text: string;
  /** Start and end of name and value of each field in turn: four numbers. */
  readonly marks: readonly number[];
  /** Every line is `Name: value` and CRLF, no white space more or less, so lines can be copied as they are. */
  readonly canonical: boolean;
  /** The same bytes came more than once: what is made of these lines is worth keeping with them. */
  repeated: boolean;
  /** What was made of them last, for whoever makes the same again. */
  forwardedRequest: ForwardedRequest | undefined;
  forwardedResponse: ForwardedResponse | undefined;
  /** What {@link cut} gave, for readers only. */
  strings: readonly string[] | undefined;

  constructor(text: string, marks: readonly number[], canonical: boolean) {
    this.text = text;
    this.marks = marks;
    this.canonical = canonical;
    this.repeated = false;
    this.forwardedRequest = undefined;
    this.forwardedResponse = undefined;
    this.strings = undefined;
  }

  /** Name of field `index`. */
  name(index: number): string {
    return this.text.slice(this.marks[index * 4], this.marks[index * 4 + 1]);
  }

  /** Value of field `index`, without outer white space. */
  value(index: number): string {
    return this.text.slice(this.marks[index * 4 + 2], this.marks[index * 4 + 3]);
  }

  /** Where the line of field `index` begins; behind the last field: where the empty line does. */
  lineStart(index: number): number {
    return index * 4 < this.marks.length ? (this.marks[index * 4] as number) : this.text.length - 2;
  }

  /** All names and values in turn. */
  cut(): string[] {
    const fields: string[] = [];
    const { text, marks } = this;
    for (let i = 0; i < marks.length; i += 2) fields.push(text.slice(marks[i], marks[i + 1]));
    return fields;
  }
}
