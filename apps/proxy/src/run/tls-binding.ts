import type { CertificateStore, TicketInstaller, TlsServerBindingOptions } from '@rp/tls';
import type { ListenerTls } from '../config/index.ts';

/** A listener's TLS options in the words of `@rp/tls`. */
export function bindingOptions(
  tls: ListenerTls,
  store: CertificateStore,
  authorities: string | null,
  tickets: TicketInstaller | undefined,
  alpnProtocols: readonly string[] = [],
): TlsServerBindingOptions {
  const { minVersion, ciphers, clientAuth, strictSni, handshakeTimeout } = tls;
  return {
    store,
    now: Date.now,
    policy: {
      minVersion,
      ...(ciphers === null ? {} : { ciphers: ciphers.split(/[:,\s]+/).filter(Boolean) }),
    },
    ...(authorities === null ? {} : { clientAuth: { mode: clientAuth.mode, authorities } }),
    strictSni,
    handshakeTimeout,
    ...(alpnProtocols.length === 0 ? {} : { alpnProtocols }),
    ...(tickets === undefined ? {} : { tickets }),
  };
}
