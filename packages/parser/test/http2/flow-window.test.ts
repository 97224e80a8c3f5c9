import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_WINDOW_SIZE, ReceiveWindow, sendable, SendWindow } from '../../src/http2/index.ts';

describe('RFC 9113 §6.9 send windows', () => {
  it('§6.9.1 grow to 2^31-1 and no further', () => {
    const window = new SendWindow(65_535);
    expect(window.grow(MAX_WINDOW_SIZE - 65_535)).toBe(true);
    expect(window.grow(1)).toBe(false);
  });
  it('§6.9.2 become negative and come back', () => {
    const connection = new SendWindow(65_535);
    const stream = new SendWindow(1000);
    stream.consume(1000);
    expect(stream.grow(-500)).toBe(true);
    expect(sendable(connection, stream, 10)).toBe(0);
    stream.grow(600);
    expect(sendable(connection, stream, 1000)).toBe(100);
    connection.consume(65_535 - 30);
    expect(sendable(connection, stream, 1000)).toBe(30);
    expect(sendable(connection, stream, 7)).toBe(7);
  });
});

describe('RFC 9113 §6.9 receive windows', () => {
  it('§6.9.1 as much as the window has passes, one octet more is an error', () => {
    const window = new ReceiveWindow(100);
    expect(window.receive(100)).toBe(true);
    expect(window.receive(1)).toBe(false);
  });
  it('give back when half of the window has come together', () => {
    const window = new ReceiveWindow(100);
    window.receive(100);
    expect(window.release(49)).toBe(0);
    expect(window.release(1)).toBe(50);
    expect(window.available).toBe(50);
    expect(window.held).toBe(50);
    expect(window.release(50)).toBe(50);
    expect(window.available).toBe(100);
  });
  it('a connection window becomes larger at once, smaller by and by', () => {
    const window = new ReceiveWindow(65_535);
    expect(window.resize(1_048_576)).toBe(1_048_576 - 65_535);
    expect(window.available).toBe(1_048_576);
    expect(window.resize(1000)).toBe(0);
    window.receive(1_048_576);
    expect(window.release(1_048_576)).toBe(1000);
    expect(window.size).toBe(1000);
  });
  it('§6.9.2 stream windows follow SETTINGS, also below 0', () => {
    const window = new ReceiveWindow(1000);
    window.receive(900);
    window.adjust(500);
    expect(window.available).toBe(-400);
    expect(window.receive(0)).toBe(false);
    expect(window.release(900)).toBe(900);
    expect(window.available).toBe(500);
  });
  it('sender and receiver always agree, and an honest sender never stands still', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 300 }))),
        (size, turns) => {
          const receiver = new ReceiveWindow(size);
          const sender = new SendWindow(size);
          for (const [wanted, passed] of turns) {
            const octets = sendable(sender, sender, wanted);
            sender.consume(octets);
            expect(receiver.receive(octets)).toBe(true);
            expect(receiver.held).toBeLessThanOrEqual(size);
            const increment = receiver.release(Math.min(passed, receiver.held));
            expect(sender.grow(increment)).toBe(true);
            expect(sender.available).toBe(receiver.available);
            expect(receiver.held > 0 || sender.available > 0).toBe(true);
          }
        },
      ),
    );
  });
});
