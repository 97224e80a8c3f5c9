import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ask, backend, eventually, startRp, wordBackend, type Rp } from './run-support.ts';
import { Authority, type Issued } from './support/authority.ts';
import { shake } from './support/tls-client.ts';

const pair = ({ cert, key }: Issued): string => `{ cert: "${cert}", key: "${key}" }`;

/** A listener with these certificates, in front of `url`. */
function config(url: string, certificates: readonly Issued[], tls = '', more = ''): string {
  return `listeners:
  - address: 127.0.0.1
    port: 0
    http2: true
    tls:
      certificates: [${certificates.map(pair).join(', ')}]
${tls}
workers: 2
upstreams: { app: { backends: [{ url: "${url}" }] } }
log: { access: { enabled: false } }
admin: { port: 0 }
${more}`;
}

const execute = promisify(execFile);
async function runCurl(rp: Rp, authority: Authority, ...args: string[]): Promise<string> {
  const line = ['-sS', '--cacert', authority.cert, ...args, `https://localhost:${rp.port}/`];
  return (await execute('curl', line)).stdout;
}

describe('clients of a TLS listener', () => {
  it('curl: HTTP/2 and HTTP/1.1 by ALPN, TLS 1.2 and 1.3, nothing older', async () => {
    const authority = new Authority();
    const { url } = await wordBackend('hello');
    const rp = await startRp(config(url, [authority.issue()])).ready();
    const write = ['-w', ' %{http_version}'];
    expect(await runCurl(rp, authority, '--http2', ...write)).toBe('hello 2');
    expect(await runCurl(rp, authority, '--http1.1', ...write)).toBe('hello 1.1');
    expect(await runCurl(rp, authority, '--no-alpn', ...write)).toBe('hello 1.1');
    expect(await runCurl(rp, authority, '--tls-max', '1.2', ...write)).toBe('hello 2');
    const old = ['--tls-max', '1.1', '--ciphers', 'DEFAULT@SECLEVEL=0'];
    await expect(runCurl(rp, authority, ...old)).rejects.toThrow(/protocol version|alert|unsupported/i);
    const weak = ['--tls-max', '1.2', '--ciphers', 'AES128-SHA:ECDHE-ECDSA-AES128-SHA'];
    await expect(runCurl(rp, authority, ...weak)).rejects.toThrow(/handshake failure/i);
    expect((await rp.stats()).tls).toMatchObject({
      'handshakes.completed': 4,
      'handshakes.failed': 2,
      'failures.protocolVersion': 1,
    });
  });

  it('SNI chooses the certificate: exact, wildcard, else the default; strictSni refuses', async () => {
    const authority = new Authority();
    const { url } = await wordBackend('x');
    const certificates = [
      authority.issue(),
      authority.issue({ names: ['other.example'] }),
      authority.issue({ names: ['*.wild.example'] }),
    ];
    const relaxed = await startRp(config(url, certificates)).ready();
    const ca = authority.pem;
    const nameFor = async (servername: string): Promise<string> =>
      (await shake(relaxed.port, { ca, servername, checkServerIdentity: () => undefined })).name;
    expect(await nameFor('other.example')).toBe('other.example');
    expect(await nameFor('OTHER.example')).toBe('other.example');
    expect(await nameFor('a.wild.example')).toBe('*.wild.example');
    expect(await nameFor('a.b.wild.example')).toBe('localhost');
    expect(await nameFor('nowhere.example')).toBe('localhost');
    const strict = await startRp(config(url, certificates, '      strictSni: true')).ready();
    await expect(shake(strict.port, { ca, servername: 'nowhere.example' })).rejects.toThrow(
      /unrecognized name/,
    );
    expect((await shake(strict.port, { ca })).name).toBe('localhost');
  });

  it('plain HTTP is redirected with its path; answers over TLS carry HSTS', async () => {
    const authority = new Authority();
    const { url } = await wordBackend('x');
    const plain = config(
      url,
      [authority.issue()],
      '      hsts: { maxAge: 24h, includeSubDomains: true }',
    ).replace(
      'listeners:\n',
      'listeners:\n  - { address: 127.0.0.1, port: 0, redirectToHttps: { port: 8443 } }\n',
    );
    const rp = startRp(plain);
    const { listening } = await rp.said('Ready');
    const [http, https] = (listening as string[]).map((one) => Number(new URL(one).port));
    const redirect = await ask(`http://127.0.0.1:${http}/a?b=c`, { headers: { host: 'app.example:8080' } });
    expect(redirect.status).toBe(308);
    expect(redirect.headers.location).toBe('https://app.example:8443/a?b=c');
    expect(redirect.headers['strict-transport-security']).toBeUndefined();
    const { response } = await shake(https!, { ca: authority.pem });
    expect(response).toMatch(/\r\nstrict-transport-security: max-age=86400; includeSubDomains\r\n/i);
  });

  it('mTLS: without a certificate no handshake; who has one is told to the backend, and nobody can pretend', async () => {
    const [authority, clients, strangers] = [
      new Authority(),
      new Authority('Clients'),
      new Authority('Strangers'),
    ];
    const { url } = await backend((request, response) => response.end(JSON.stringify(request.headers)));
    const auth = `      clientAuth: { mode: required, ca: "${clients.cert}" }`;
    const rp = await startRp(config(url, [authority.issue()], auth)).ready();
    const { cert, key } = clients.issue({ names: ['alice'] });
    const forged = ['-H', 'X-Client-Subject: CN=mallory', '-H', 'x_client_subject: CN=mallory'];
    for (const version of ['--http1.1', '--http2']) {
      const headers = await runCurl(rp, authority, version, '--cert', cert, '--key', key, ...forged);
      expect(headers).toContain('alice');
      expect(headers).not.toContain('mallory');
    }
    const other = strangers.issue({ names: ['alice'] });
    await expect(runCurl(rp, authority, '--cert', other.cert, '--key', other.key)).rejects.toThrow(
      /alert|curl/,
    );
    await expect(runCurl(rp, authority)).rejects.toThrow(/alert|certificate required|curl/);
  });
});

/** Lets a signal make a minute pass for the supervisor, which looks at its ticket keys then. */
const MINUTES = `import { isMainThread } from 'node:worker_threads';
if (isMainThread) {
  let offset = 0;
  const now = Date.now;
  Date.now = () => now() + offset;
  const every = setInterval;
  globalThis.setInterval = (run, milliseconds, ...rest) => {
    if (milliseconds === 60_000) process.on('SIGUSR2', () => { offset += 61_000; run(); });
    return every(run, milliseconds, ...rest);
  };
}`;

describe('sessions', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'of %s are resumed by every worker, also after the ticket keys rotated',
    async (version) => {
      const authority = new Authority();
      const { url } = await wordBackend('x');
      const yaml = config(url, [authority.issue()], '      ticketRotation: 1m');
      const rp = await startRp(yaml, { preload: MINUTES }).ready();
      const options = { ca: authority.pem, minVersion: version, maxVersion: version } as const;
      const { session } = await shake(rp.port, options);
      const resumedByAll = async (): Promise<boolean[]> => {
        const all = await Promise.all(
          Array.from({ length: 16 }, () => shake(rp.port, { ...options, session, stay: true })),
        );
        return all.map(({ resumed }) => resumed);
      };
      expect(await resumedByAll()).toEqual(Array.from({ length: 16 }, () => true));
      const { workers } = await rp.stats();
      for (const worker of workers.each) expect(worker).not.toMatchObject({ connections: 0 });
      const old = { ca: authority.pem, maxVersion: 'TLSv1.2' } as const;
      const { ticketKey } = await shake(rp.port, old);
      rp.signal('SIGUSR2');
      await eventually('all workers have the new key', async () => {
        const keys = await Promise.all(Array.from({ length: 16 }, () => shake(rp.port, old)));
        return keys.every((one) => one.ticketKey !== ticketKey);
      });
      expect(await resumedByAll()).toEqual(Array.from({ length: 16 }, () => true));
    },
  );
});
