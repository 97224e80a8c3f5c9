import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { floodLimits, FloodKind, FrameEvent, FrameReader } from '../../src/http2/index.ts';
import { block, frame, PREFACE, readAll, request, SETTINGS } from './frames.ts';
import { answer } from './readme-example.ts';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const section = /\n## HTTP\/2\n([\s\S]*?)\n## /.exec(read('README.md'))?.[1] ?? '';

describe('README, HTTP/2', () => {
  it('the example is the one that runs', () => {
    expect(/```ts\n([\s\S]*?)```/.exec(section)?.[1]).toBe(read('test/http2/readme-example.ts'));
    const good = frame(1, 5, 1, block(request()));
    const bad = frame(1, 5, 3, block([...request(), 'te', 'gzip']));
    const answers = answer(Buffer.concat([PREFACE, SETTINGS, good, bad]));
    expect(readAll(new FrameReader({ role: 'client' }), answers)).toEqual([
      'settings ',
      'settingsAck 0',
      'headers 1 89 end',
      'headers 3 8c end',
    ]);
  });
  it('every event is in it', () => {
    const missing = Object.keys(FrameEvent).filter((name) => !section.includes(`\`${name}\``));
    expect(missing).toEqual(['none']);
  });
  it('every cap of floods is in it, with its default', () => {
    const caps = floodLimits();
    for (const [name, kind] of Object.entries(FloodKind)) {
      expect(new RegExp(`\`${name}\` \\| ${caps[kind]}[ ,]`).test(section)).toBe(true);
    }
  });
});
