import type { Probe, ProbeAnswer, Prober } from '@rp/balancer';
import { encodeProxyHeader, type BackendTls, type ProxyProtocolVersion } from '@rp/core';
import type * as Http from 'node:http';
import type { IncomingMessage, RequestOptions } from 'node:http';
import type * as Http2 from 'node:http2';
import type * as Https from 'node:https';
import net, { isIP } from 'node:net';
import tls from 'node:tls';

// Loaded with the first check: Node's HTTP takes 14 MiB of memory, and not everybody has checks.
const http = (): typeof Http => process.getBuiltinModule('node:http');
const https = (): typeof Https => process.getBuiltinModule('node:https');
const http2 = (): typeof Http2 => process.getBuiltinModule('node:http2');

/** Bytes of a body that are looked at. */
const MAX_BODY = 64 * 1024;

/** Makes health checks, each on a connection of its own that is closed afterwards (spec 4.3). */
export class HttpProber implements Prober {
  readonly #tlsOf: (backend: Probe['backend']) => BackendTls;

  readonly #proxyProtocol: ProxyProtocolVersion | null;

  /**
   * @param tlsOf how to speak TLS to a backend; may throw, which is a failed check
   * @param proxyProtocol what backends expect before the request; only those of the scheme `http`
   */
  constructor(
    tlsOf: (backend: Probe['backend']) => BackendTls,
    proxyProtocol: ProxyProtocolVersion | null = null,
  ) {
    this.#proxyProtocol = proxyProtocol;
    this.#tlsOf = tlsOf;
  }

  probe(probe: Probe): Promise<ProbeAnswer> {
    const { protocol } = probe.backend;
    return protocol === 'h2' || protocol === 'h2c' ? this.#http2(probe) : this.#http1(probe);
  }

  #http1(probe: Probe): Promise<ProbeAnswer> {
    const { backend, method, path, signal } = probe;
    const options: RequestOptions = {
      host: backend.host,
      port: backend.port,
      method,
      path,
      signal,
      agent: false,
      headers: { Host: hostOf(probe), 'User-Agent': 'rp health check', Connection: 'close' },
    };
    return new Promise((resolve, reject) => {
      const answered = (response: IncomingMessage): void => collect(response, resolve, reject);
      const request =
        backend.protocol === 'https'
          ? https().request({ ...options, ...this.#secure(probe) }, answered)
          : http().request({ ...options, ...this.#announced(probe) }, answered);
      request.on('error', reject);
      request.end();
    });
  }

  #http2(probe: Probe): Promise<ProbeAnswer> {
    const { backend, method, path, signal } = probe;
    const secure = backend.protocol === 'h2';
    const host = backend.host.includes(':') ? `[${backend.host}]` : backend.host;
    const origin = `${secure ? 'https' : 'http'}://${host}:${backend.port}`;
    return new Promise((resolve, reject) => {
      const session = http2().connect(
        origin,
        secure ? { ...this.#secure(probe), ALPNProtocols: ['h2'] } : {},
      );
      session.on('error', reject);
      const stream = session.request(
        { ':method': method, ':path': path, ':authority': hostOf(probe) },
        { signal },
      );
      let status = 0;
      let body = '';
      stream.on('response', (fields) => {
        status = Number(fields[':status']);
      });
      stream.setEncoding('latin1').on('data', (text: string) => {
        if (body.length < MAX_BODY) body += text;
      });
      stream.on('error', reject);
      stream.on('close', () => {
        session.destroy();
        if (status === 0) reject(new Error('closed without an answer'));
        else resolve({ status, body: utf8(body) });
      });
      stream.end();
    });
  }

  /** A connection that begins with a PROXY protocol header: we speak for ourselves. */
  #announced({ backend }: Probe): Pick<RequestOptions, 'agent' | 'createConnection'> {
    const version = this.#proxyProtocol;
    if (version === null) return {};
    return {
      // With an agent of its own, even none (`false`), Node makes the connection itself.
      agent: undefined,
      createConnection: () => {
        const socket = net.connect(backend.port, backend.host);
        socket.write(encodeProxyHeader(version, undefined));
        return socket;
      },
    };
  }

  #secure(probe: Probe): tls.ConnectionOptions {
    const { ca, cert, key, serverName = probe.backend.serverName, verify } = this.#tlsOf(probe.backend);
    return {
      ...(ca === undefined ? {} : { ca: typeof ca === 'string' ? ca : [...ca] }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      minVersion: 'TLSv1.2',
      rejectUnauthorized: verify !== false,
      // SNI carries names only (RFC 6066 §3).
      servername: isIP(serverName) === 0 ? serverName : '',
      checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(serverName, certificate),
    };
  }
}

function collect(
  response: IncomingMessage,
  resolve: (answer: ProbeAnswer) => void,
  reject: (error: Error) => void,
): void {
  const status = response.statusCode ?? 0;
  let body = '';
  const done = (): void => resolve({ status, body: utf8(body) });
  response.setEncoding('latin1').on('data', (text: string) => {
    body += text;
    if (body.length < MAX_BODY) return;
    // More than anybody will look at: a backend that never ends is no reason to read on.
    done();
    response.destroy();
  });
  response.on('end', done);
  response.on('error', reject);
}

const utf8 = (latin1: string): string => Buffer.from(latin1.slice(0, MAX_BODY), 'latin1').toString('utf8');

/** `Host`, with the port unless it was configured as a whole. */
function hostOf({ backend, host }: Probe): string {
  if (host !== backend.serverName) return host;
  const name = host.includes(':') ? `[${host}]` : host;
  const standard = backend.protocol === 'http' || backend.protocol === 'h2c' ? 80 : 443;
  return backend.port === standard ? name : `${name}:${backend.port}`;
}
