import { describe, expect, it } from 'vitest';
import { ErrorCode, LocalSettings, RemoteSettings, SettingId } from '../../src/http2/index.ts';
import { entries } from './frames.ts';

function receive(sender: 'client' | 'server', ...pairs: readonly (readonly [number, number])[]): number {
  const payload = entries(...pairs);
  return new RemoteSettings(sender).receive(payload, 0, payload.length);
}

const { NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR } = ErrorCode;

describe('RFC 9113 §6.5.2 settings', () => {
  it.each([
    ['client', SettingId.ENABLE_PUSH, 0, NO_ERROR],
    ['client', SettingId.ENABLE_PUSH, 1, NO_ERROR],
    ['client', SettingId.ENABLE_PUSH, 2, PROTOCOL_ERROR],
    ['server', SettingId.ENABLE_PUSH, 0, NO_ERROR],
    ['server', SettingId.ENABLE_PUSH, 1, PROTOCOL_ERROR],
    ['client', SettingId.INITIAL_WINDOW_SIZE, 0x7fffffff, NO_ERROR],
    ['client', SettingId.INITIAL_WINDOW_SIZE, 0x80000000, FLOW_CONTROL_ERROR],
    ['client', SettingId.MAX_FRAME_SIZE, 16_383, PROTOCOL_ERROR],
    ['client', SettingId.MAX_FRAME_SIZE, 16_384, NO_ERROR],
    ['client', SettingId.MAX_FRAME_SIZE, 16_777_215, NO_ERROR],
    ['client', SettingId.MAX_FRAME_SIZE, 16_777_216, PROTOCOL_ERROR],
    ['client', SettingId.HEADER_TABLE_SIZE, 0xffffffff, NO_ERROR],
    ['client', SettingId.MAX_CONCURRENT_STREAMS, 0, NO_ERROR],
    ['server', SettingId.ENABLE_CONNECT_PROTOCOL, 1, NO_ERROR],
    ['server', SettingId.ENABLE_CONNECT_PROTOCOL, 2, PROTOCOL_ERROR],
    ['client', SettingId.NO_RFC7540_PRIORITIES, 1, NO_ERROR],
    ['client', SettingId.NO_RFC7540_PRIORITIES, 2, PROTOCOL_ERROR],
    ['client', 0x1234, 0xffffffff, NO_ERROR],
  ] as const)('a %s says %i = %i: %i', (sender, id, value, expected) => {
    expect(receive(sender, [id, value])).toBe(expected);
  });

  it('RFC 8441 §3: ENABLE_CONNECT_PROTOCOL does not go back to 0', () => {
    const id = SettingId.ENABLE_CONNECT_PROTOCOL;
    expect(receive('server', [id, 0], [id, 1], [id, 1])).toBe(NO_ERROR);
    expect(receive('server', [id, 1], [id, 0])).toBe(PROTOCOL_ERROR);
  });

  it('§6.5.3 values are taken in order, the last one holds', () => {
    const remote = new RemoteSettings('client');
    const payload = entries([4, 10], [3, 7], [4, 100_000], [1, 8192], [1, 100], [1, 4096], [5, 20_000]);
    expect(remote.receive(payload, 0, payload.length)).toBe(NO_ERROR);
    expect(remote.values.initialWindowSize).toBe(100_000);
    expect(remote.initialWindowDelta).toBe(100_000 - 65_535);
    expect(remote.values.maxConcurrentStreams).toBe(7);
    expect(remote.values.maxFrameSize).toBe(20_000);
    expect(remote.values.headerTableSize).toBe(4096);
    expect(remote.lowestHeaderTableSize).toBe(100);
    expect(remote.receive(payload, 0, 0)).toBe(NO_ERROR);
    expect(remote.initialWindowDelta).toBe(0);
    expect(remote.lowestHeaderTableSize).toBe(-1);
  });
});

describe('RFC 9113 §6.5.3 acknowledgement', () => {
  it('our values hold from the acknowledgement on, in the order sent', () => {
    const local = new LocalSettings('server');
    local.sent([SettingId.MAX_CONCURRENT_STREAMS, 100]);
    local.sent([SettingId.MAX_CONCURRENT_STREAMS, 50, SettingId.INITIAL_WINDOW_SIZE, 1000]);
    expect(local.values.maxConcurrentStreams).toBe(Infinity);
    expect(local.unacknowledged).toBe(2);
    expect(local.acknowledged()).toBe(NO_ERROR);
    expect(local.values.maxConcurrentStreams).toBe(100);
    expect(local.acknowledged()).toBe(NO_ERROR);
    expect(local.values.maxConcurrentStreams).toBe(50);
    expect(local.values.initialWindowSize).toBe(1000);
    expect(local.acknowledged()).toBe(PROTOCOL_ERROR);
  });
});
