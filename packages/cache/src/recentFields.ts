import type { Fields } from './fields.ts';

/** Field lines that were cut from a stored head, until others need the room. */
class Cut {
  fields: Fields | undefined;

  constructor(fields: Fields) {
    this.fields = fields;
  }
}

export type { Cut };

/** How many are kept: enough for what is asked for often, and little beside what is stored. */
const KEPT = 512;

const recent: (Cut | undefined)[] = Array.from({ length: KEPT }, () => undefined);
let next = 0;

/**
 * Field lines of a head: what follows its status line, flat. HTTP/1.1 sends heads as they are stored, so that names and
 * values apart are only cut out for who needs them, and only remembered for those that were needed last.
 */
export function cutFields(head: string): Cut {
  const fields: string[] = [];
  let at = head.indexOf('\r\n') + 2;
  while (at < head.length) {
    const colon = head.indexOf(':', at);
    const end = head.indexOf('\r\n', colon);
    fields.push(head.slice(at, colon), head.slice(colon + 2, end));
    at = end + 2;
  }
  const cut = new Cut(fields);
  const oldest = recent[next];
  if (oldest !== undefined) oldest.fields = undefined;
  recent[next] = cut;
  next = (next + 1) % KEPT;
  return cut;
}
