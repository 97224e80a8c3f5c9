import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Errno, llhttp, ParserType, Span, standInMethod } from '../../src/http1/llhttp.ts';

const require = createRequire(import.meta.url);

interface WebAssemblyApi {
  Module: (new (bytes: Buffer) => object) & {
    exports(module: object): { name: string }[];
    imports(module: object): { name: string }[];
  };
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyApi };

describe('the llhttp build that undici carries', () => {
  test('is of the version that these tests were written against', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const undici = require('undici/package.json') as { version: string };
    expect(['pinned, not ranged', manifest.dependencies['undici']]).toEqual([
      'pinned, not ranged',
      undici.version,
    ]);
  });

  for (const file of ['llhttp_simd-wasm.js', 'llhttp-wasm.js']) {
    test(`${file} has the exports and imports that are used`, () => {
      const module = new WebAssembly.Module(require(`undici/lib/llhttp/${file}`) as Buffer);
      const names = WebAssembly.Module.exports(module).map(({ name }) => name);
      expect(names).toEqual(
        expect.arrayContaining([
          'memory',
          '_initialize',
          'malloc',
          'llhttp_alloc',
          'llhttp_free',
          'llhttp_reset',
          'llhttp_resume',
          'llhttp_execute',
          'llhttp_get_error_pos',
          'llhttp_get_method',
          'llhttp_get_status_code',
        ]),
      );
      const callbacks = WebAssembly.Module.imports(module).map(({ name }) => name);
      expect(callbacks.toSorted()).toEqual([
        'wasm_on_body',
        'wasm_on_header_field',
        'wasm_on_header_value',
        'wasm_on_headers_complete',
        'wasm_on_message_begin',
        'wasm_on_message_complete',
        'wasm_on_status',
        'wasm_on_url',
      ]);
    });
  }

  test('numbers methods as we do', () => {
    const { METHODS } = require('undici/lib/llhttp/constants.js') as { METHODS: Record<string, number> };
    const machine = llhttp();
    const parser = machine.open(ParserType.request);
    for (const [name, number] of Object.entries(METHODS)) {
      const chunk = Buffer.from(`${name} ${name === 'CONNECT' ? 'a:1' : '/'}`);
      machine.executeHead(parser, chunk, 0, chunk.length);
      expect([name, machine.exports.llhttp_get_method(parser)]).toEqual([name, number]);
      machine.exports.llhttp_reset(parser);
    }
    machine.close(parser);
  });

  test('takes the method that stands for unknown ones like any other, with any body', () => {
    const machine = llhttp();
    const parser = machine.open(ParserType.request);
    const tails = [
      '',
      'Content-Length: 3\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Connection: upgrade\r\nUpgrade: x\r\n',
    ];
    for (const tail of tails) {
      const chunk = Buffer.from(` / HTTP/1.1\r\n${tail}\r\n`);
      machine.beginUnknownMethod(parser);
      expect([tail, machine.executeHead(parser, chunk, 0, chunk.length)]).toEqual([tail, Errno.paused]);
      expect([machine.complete, machine.stoppedAt(parser)]).toEqual([true, chunk.length]);
      expect(machine.exports.llhttp_get_method(parser)).toBe(standInMethod);
    }
    machine.close(parser);
  });

  test('stops behind the head, and notes name and value of every field, empty ones too', () => {
    const machine = llhttp();
    const parser = machine.open(ParserType.request);
    const chunk = Buffer.from('GET / HTTP/1.1\r\nA: b\r\nC:\r\n\r\nrest');
    expect(machine.executeHead(parser, chunk, 0, chunk.length)).toBe(21);
    expect(machine.complete).toBe(true);
    expect(machine.stoppedAt(parser)).toBe(chunk.length - 4);
    const kinds = [...machine.tape.subarray(0, machine.used)].filter((_, index) => index % 3 === 0);
    expect(kinds).toEqual([Span.url, Span.name, Span.value, Span.name, Span.value]);
    machine.close(parser);
  });

  test('is stopped when the tape is full', () => {
    const machine = llhttp();
    const parser = machine.open(ParserType.request);
    const chunk = Buffer.from(`GET / HTTP/1.1\r\n${'a:\r\n'.repeat(16_000)}`);
    expect(machine.executeHead(parser, chunk, 0, chunk.length)).toBe(Errno.user);
    expect(machine.used).toBeLessThanOrEqual(machine.tape.length);
    machine.close(parser);
  });
});
