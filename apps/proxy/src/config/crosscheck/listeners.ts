import { isLoopback } from '../address.ts';
import type { Listener } from '../options/listeners.ts';
import type { Path } from '../problem.ts';
import { conflict, needFile, type CheckContext } from './context.ts';

const WILDCARDS = new Set(['0.0.0.0', '::']);

const canonical = (address: string): string => {
  if (address === 'localhost') return '127.0.0.1';
  return address.toLowerCase();
};

const overlap = (a: string, b: string): boolean => {
  if (a === b) return true;
  // `::` takes IPv4 as well; `0.0.0.0` takes every IPv4 address.
  if (a === '::' || b === '::') return true;
  const other = WILDCARDS.has(a) ? b : WILDCARDS.has(b) ? a : null;
  return other !== null && !other.includes(':');
};

const checkAddresses = (context: CheckContext): void => {
  const taken: { readonly address: string; readonly port: number; readonly name: string }[] = [];
  const claim = (address: string, port: number, path: Path, name: string): void => {
    const mine = canonical(address);
    const other = taken.find((one) => port !== 0 && one.port === port && overlap(one.address, mine));
    if (other !== undefined)
      conflict(context, path, `port ${port} of this address is taken by ${other.name} already`);
    taken.push({ address: mine, port, name });
  };
  for (const [index, { address, port }] of context.config.listeners.entries()) {
    claim(address, port, ['listeners', index, 'port'], `listeners[${index}]`);
  }
  const { admin } = context.config;
  if (admin === null) return;
  claim(admin.address, admin.port, ['admin', 'port'], 'admin');
  if (!isLoopback(admin.address) && admin.token === null) {
    const message = 'an admin listener that other machines can reach needs a token';
    conflict(context, ['admin', 'address'], message);
  }
};

const checkTls = (context: CheckContext, listener: Listener, path: Path): void => {
  const { tls } = listener;
  if (tls === null) return;
  const inTls = [...path, 'tls'];
  for (const [index, { cert, key }] of tls.certificates.entries()) {
    needFile(context, [...inTls, 'certificates', index, 'cert'], cert);
    needFile(context, [...inTls, 'certificates', index, 'key'], key);
  }
  const { mode, ca } = tls.clientAuth;
  needFile(context, [...inTls, 'clientAuth', 'ca'], ca);
  if (mode !== 'none' && ca === null) {
    conflict(
      context,
      [...inTls, 'clientAuth', 'mode'],
      `"${mode}" needs "ca": the authorities that clients are signed by`,
    );
  }
};

const checkProtocols = (context: CheckContext, listener: Listener, path: Path): void => {
  const { http2, h2c, tls, redirectToHttps } = listener;
  if (http2 && tls === null && !h2c) {
    conflict(
      context,
      [...path, 'http2'],
      'HTTP/2 needs "tls"; without it only prior knowledge works: "h2c: true"',
    );
  }
  if (h2c && tls !== null) {
    conflict(
      context,
      [...path, 'h2c'],
      'h2c is HTTP/2 without TLS, but this listener has "tls"; use "http2: true"',
    );
  }
  if (redirectToHttps === null) return;
  if (tls !== null) {
    conflict(context, [...path, 'redirectToHttps'], 'this listener has "tls": it would redirect to itself');
  }
  if (redirectToHttps.port === listener.port && listener.port !== 0) {
    conflict(context, [...path, 'redirectToHttps', 'port'], 'this is the port of the listener itself');
  }
};

/** Checks across the options of listeners and of the admin listener. */
export function checkListeners(context: CheckContext): void {
  checkAddresses(context);
  for (const [index, listener] of context.config.listeners.entries()) {
    const path = ['listeners', index];
    checkProtocols(context, listener, path);
    checkTls(context, listener, path);
  }
}
