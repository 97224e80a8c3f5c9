import { readFileSync } from 'node:fs';

/** Raw bytes beside the events they are to give. */
export interface Fixture {
  readonly name: string;
  readonly bytes: Buffer;
  /** For responses: the methods of the requests that are answered. */
  readonly methods: readonly string[];
  readonly events: readonly string[];
}

/**
 * Reads fixtures/`name`.md. Each section has a heading, a block of bytes and a block of events. A line of
 * bytes ends in CRLF, unless it ends in a backslash; `\x00`, `\n`, `\r`, `\t` and `\\` are escapes. What
 * follows `http` on the fence of a response are the methods that it answers.
 */
export function fixtures(name: string): Fixture[] {
  const text = readFileSync(new URL(`fixtures/${name}.md`, import.meta.url), 'utf8');
  const sections = text.split(/^## /m).slice(1);
  return sections.map((section) => {
    const heading = section.slice(0, section.indexOf('\n')).trim();
    const match = /```http ?([^\n]*)\n([\s\S]*?)```\n+```events\n([\s\S]*?)```/.exec(section);
    if (match === null) throw new Error(`Section "${heading}" of ${name}.md lacks a block`);
    const [, methods, bytes, events] = match as unknown as [string, string, string, string];
    return {
      name: heading,
      bytes: unescaped(bytes),
      methods: methods.split(' ').filter((method) => method !== ''),
      events: events.split('\n').filter((line) => line !== ''),
    };
  });
}

function unescaped(block: string): Buffer {
  const lines = block.replace(/\n$/, '').split('\n');
  const text = lines
    .map((line) => (/(?<!\\)(?:\\\\)*\\$/.test(line) ? line.slice(0, -1) : `${line}\r\n`))
    .join('');
  const escapes: Record<string, string> = { n: '\n', r: '\r', t: '\t', '\\': '\\' };
  return Buffer.from(
    text.replace(/\\(?:x([0-9a-f]{2})|([nrt\\]))/g, (_all, hex: string | undefined, letter: string) =>
      hex === undefined ? (escapes[letter] as string) : String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    'latin1',
  );
}
