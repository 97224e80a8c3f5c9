import { describe, expect, it } from 'vitest';
import { assignSockets, handedSockets, type ProcFiles } from '../src/run/handed-sockets.ts';

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const row = (local: string, state: string, inode: number): string =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0000000000000000 100 0 0 10 0\n`;
const files = (links: readonly string[]): ProcFiles => ({
  link: (fd) => links[fd - 3] ?? 'nothing',
  table: (name) =>
    name === 'tcp'
      ? HEAD +
        row('0100007F:1F90', '0A', 11) +
        row('00000000:0050', '0A', 12) +
        row('0100007F:1F91', '01', 13)
      : HEAD +
        row('00000000000000000000000000000000:01BB', '0A', 14) +
        row('B80D0120000000000000000001000000:1F90', '0A', 15),
});
const env = (count: number) => ({ LISTEN_PID: '42', LISTEN_FDS: String(count) });

describe('LISTEN_FDS', () => {
  it('is read together with the addresses that the kernel knows', () => {
    const links = ['socket:[14]', 'socket:[11]', 'socket:[12]', 'socket:[15]'];
    expect(handedSockets(env(4), 42, files(links))).toEqual([
      { fd: 3, address: '::', port: 443 },
      { fd: 4, address: '127.0.0.1', port: 8080 },
      { fd: 5, address: '0.0.0.0', port: 80 },
      { fd: 6, address: '2001:db8::1', port: 8080 },
    ]);
  });

  it('is not for us when it names another process, or none', () => {
    expect(handedSockets(env(1), 43, files(['socket:[11]']))).toEqual([]);
    expect(handedSockets({ LISTEN_FDS: '1' }, 42, files([]))).toEqual([]);
    expect(handedSockets({ ...env(1), LISTEN_FDS: 'x' }, 42, files([]))).toEqual([]);
  });

  it.each([['pipe:[5]'], ['socket:[13]'], ['socket:[99]']])('refuses what does not listen: %s', (link) => {
    expect(() => handedSockets(env(1), 42, files([link]))).toThrow(
      'descriptor 3 (LISTEN_FDS) is no listening TCP socket',
    );
  });

  it('goes to listeners by address, in any order; what fits none is left', () => {
    const handed = handedSockets(
      env(4),
      42,
      files(['socket:[14]', 'socket:[11]', 'socket:[12]', 'socket:[11]']),
    );
    const listeners = [
      { address: 'localhost', port: 8080 },
      { address: '0.0.0.0', port: 8081 },
      { address: '0:0:0:0:0:0:0:0', port: 443 },
    ];
    expect(assignSockets(handed, listeners)).toEqual({
      assigned: [[4, 6], [], [3]],
      left: [{ fd: 5, address: '0.0.0.0', port: 80 }],
    });
  });
});
