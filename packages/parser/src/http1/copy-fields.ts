import type { FieldId } from './field-id.ts';
import type { MessageHead } from './heads.ts';

/** Says what becomes of each field of a head when it is forwarded. */
export interface FieldRewriter<Head extends MessageHead> {
  /** `''` to leave the field out, a whole line to write instead, or undefined to copy the line as it is. */
  rewrite(head: Head, id: FieldId, index: number): string | undefined;
}

/** The field lines of a head, rewritten. Lines that stay as they came are copied together with their neighbours. */
export function copyFields<Head extends MessageHead>(head: Head, rewriter: FieldRewriter<Head>): string {
  const { ids } = head;
  const lines = head.lines?.canonical === true ? head.lines : undefined;
  let out = '';
  let runAt = -1;
  for (let i = 0; i < ids.length; i++) {
    const line = rewriter.rewrite(head, ids[i] as FieldId, i);
    if (line === undefined && lines !== undefined) {
      if (runAt === -1) runAt = lines.lineStart(i);
      continue;
    }
    if (lines !== undefined && runAt !== -1) out += lines.text.slice(runAt, lines.lineStart(i));
    runAt = -1;
    out += line ?? `${head.nameAt(i)}: ${head.valueAt(i)}\r\n`;
  }
  return lines === undefined || runAt === -1
    ? out
    : out + lines.text.slice(runAt, lines.lineStart(ids.length));
}

/** True if `Connection` asks to remove field `index`, which is none that this package knows. */
export function isNamed(head: MessageHead, index: number, named: readonly string[] | undefined): boolean {
  return named !== undefined && named.includes(head.nameAt(index).toLowerCase());
}
