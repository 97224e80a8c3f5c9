import { afterAll, describe, expect, test } from 'vitest';
import { RequestParser, ResponseParser, type MessageParser } from '../../src/index.ts';
import { fixtures } from './fixtures.ts';
import { everyByte, replay } from './replay.ts';

const requests = new RequestParser();
const responses = new ResponseParser();
afterAll(() => {
  requests.close();
  responses.close();
});

const files: readonly (readonly [string, MessageParser])[] = [
  ['requests', requests],
  ['hostile-requests', requests],
  ['responses', responses],
  ['hostile-responses', responses],
];

for (const [file, parser] of files) {
  describe(`${file}.md`, () => {
    for (const { name, bytes, methods, events } of fixtures(file)) {
      test(`${name}`, () => {
        expect(replay(parser, bytes, [], methods)).toEqual(events);
        expect(replay(parser, bytes, everyByte(bytes.length), methods)).toEqual(events);
        for (let cut = 1; cut < bytes.length; cut++) {
          expect([cut, ...replay(parser, bytes, [cut], methods)]).toEqual([cut, ...events]);
        }
      });
    }
  });
}
