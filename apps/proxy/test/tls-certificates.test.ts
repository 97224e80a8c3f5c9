import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ask, eventually, folder, onCleanup, startRp, wordBackend } from './run-support.ts';
import { Authority, stamp, type Issued } from './support/authority.ts';
import { shake } from './support/tls-client.ts';

const DAY = 86_400_000;

/** A pair of files that certificates are swapped in, with a new name first and then in one step, as tools do it. */
class Live implements Issued {
  readonly #folder = folder();
  readonly cert: string = join(this.#folder, 'live.pem');
  readonly key: string = join(this.#folder, 'live.key');

  constructor(first: Issued) {
    this.put(first);
  }

  put({ cert, key }: Issued): void {
    for (const [from, to] of [
      [key, this.key],
      [cert, this.cert],
    ] as const) {
      copyFileSync(from, `${to}.new`);
      renameSync(`${to}.new`, to);
    }
  }
}

const config = (url: string, ...certificates: readonly Issued[]): string => `listeners:
  - address: 127.0.0.1
    port: 0
    http2: true
    tls: { certificates: [${certificates.map(({ cert, key }) => `{ cert: "${cert}", key: "${key}" }`).join(', ')}] }
workers: 2
upstreams: { app: { backends: [{ url: "${url}" }] } }
log: { access: { enabled: false } }
admin: { port: 0 }
`;

it('certificates are swapped under load: good ones are served, broken ones named, and no handshake fails', async () => {
  const authority = new Authority();
  const { url } = await wordBackend('x');
  const good = [authority.issue(), authority.issue()];
  const broken: readonly (readonly [code: string, Issued])[] = [
    ['TLS_KEY_MISMATCH', { cert: good[0]!.cert, key: good[1]!.key }],
    ['TLS_EXPIRED', authority.issue({ valid: [stamp(Date.now() - 9 * DAY), stamp(Date.now() - DAY)] })],
    ['TLS_CERT_UNPARSABLE', { cert: garbage(good[0]!.cert), key: good[0]!.key }],
  ];
  const live = new Live(good[0]!);
  const rp = await startRp(config(url, live)).ready();
  const ca = authority.pem;
  const failures: string[] = [];
  let handshakes = 0;
  let running = true;
  const client = async (): Promise<void> => {
    while (running) {
      await shake(rp.port, { ca }).then(
        () => handshakes++,
        (error: Error) => failures.push(error.message),
      );
    }
  };
  const load = [client(), client(), client(), client()];
  onCleanup(() => (running = false));
  const serials = await Promise.all(good.map(async ({ cert }) => serialOf(cert)));
  for (let round = 0; round < 6; round++) {
    const [code, bad] = broken[round % broken.length]!;
    const refusals = (): number => rp.log.filter((line) => line.code === code).length;
    const before = refusals();
    live.put(bad);
    await eventually(`round ${round}: ${code}`, () => refusals() > before || undefined);
    const next = (round + 1) % 2;
    live.put(good[next]!);
    await eventually(`round ${round}: the good one`, async () => {
      const seen = await Promise.all(Array.from({ length: 6 }, () => shake(rp.port, { ca })));
      return seen.every(({ serial }) => serial === serials[next]) || undefined;
    });
  }
  running = false;
  await Promise.all(load);
  expect(failures).toEqual([]);
  expect(handshakes).toBeGreaterThan(20);
  const named = rp.log.filter((line) => line.msg === 'a certificate cannot be served');
  expect(named.every((line) => line.file === live.cert || line.file === live.key)).toBe(true);
  expect(rp.stderr).not.toContain('PRIVATE KEY');
}, 60_000);

/** A file that begins like a certificate. */
function garbage(cert: string): string {
  const file = join(folder(), 'garbage.pem');
  writeFileSync(file, readFileSync(cert, 'utf8').replace(/[A-Za-z]{20}/, 'x'.repeat(20)));
  return file;
}

async function serialOf(file: string): Promise<string> {
  const { X509Certificate } = await import('node:crypto');
  return new X509Certificate(readFileSync(file)).serialNumber;
}

it('a certificate that has expired is refused at the start, and the others are served; one that ends soon is warned of', async () => {
  const authority = new Authority();
  const { url } = await wordBackend('x');
  const now = Date.now();
  const expired = authority.issue({
    names: ['old.example'],
    valid: [stamp(now - 90 * DAY), stamp(now - DAY)],
  });
  const ending = authority.issue({
    names: ['soon.example'],
    valid: [stamp(now - DAY), stamp(now + 5.5 * DAY)],
  });
  const rp = await startRp(config(url, authority.issue(), expired, ending)).ready();
  expect(await rp.said('a certificate cannot be served')).toMatchObject({
    level: 'error',
    code: 'TLS_EXPIRED',
    file: expired.cert,
  });
  const warning = await rp.said('a certificate expires soon');
  expect(warning).toMatchObject({ level: 'warn', file: ending.cert, daysLeft: 5 });
  const at = (servername: string) =>
    shake(rp.port, { ca: authority.pem, servername, checkServerIdentity: () => undefined });
  expect((await at('soon.example')).name).toBe('soon.example');
  expect((await at('old.example')).name).toBe('localhost');
  const { certificates } = await rp.stats();
  expect(certificates.served).toBe(2);
  expect(certificates.soonest[0]).toMatchObject({ file: ending.cert, daysLeft: 5 });
  const { body } = await ask(`${rp.admin}/metrics`);
  const seconds = Math.floor((now + 5.5 * DAY) / 1000);
  expect(body).toContain(`rp_tls_certificate_expiry_timestamp_seconds{file="${ending.cert}"} ${seconds}\n`);
  const only = startRp(config(url, expired));
  expect(await only.exited).toBe(1);
  expect(only.stderr).toContain(expired.cert);
  expect(only.stderr).toMatch(/expired/);
});
