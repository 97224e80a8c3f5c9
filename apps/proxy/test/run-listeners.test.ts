import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import https from 'node:https';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  Load,
  ask,
  backend,
  closeServer,
  configFor,
  connection,
  eventually,
  folder,
  startRp,
  wordBackend,
} from './run-support.ts';

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => wordBackend('')));
  await Promise.all(servers.map(({ server }) => closeServer(server)));
  return servers.map(({ port }) => port);
}

/** The configuration with these listeners, by their options. */
const listening = (url: string, listeners: readonly string[], more = ''): string =>
  configFor([url], more).replace(
    /^listeners: .*$/mu,
    `listeners:\n${listeners.map((one) => `  - { address: 127.0.0.1, ${one} }\n`).join('')}`,
  );

const isRefused = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(false)).once('error', () => resolve(true));
    socket.once('connect', () => socket.destroy());
  });

const post = (rp: { readonly admin: string }) => ask(`${rp.admin}/reload`, { method: 'POST' });

/** A certificate for localhost. */
function certificate(): { readonly cert: string; readonly key: string } {
  const at = folder();
  const [cert, key] = [join(at, 'c.pem'), join(at, 'k.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const pair = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...pair, '-keyout', key, '-out', cert, ...subject], {
    stdio: 'ignore',
  });
  return { cert, key };
}

const askTls = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const options = { agent: false, rejectUnauthorized: false, servername: 'localhost' };
    https
      .get(`https://127.0.0.1:${port}/`, options, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => resolve(body));
      })
      .on('error', reject);
  });

describe('a reload that changes listeners', () => {
  it('opens new ones and closes others under load, and no request of the one that stays fails', async () => {
    const { url } = await wordBackend('a');
    const [stays = 0, comes = 0] = await freePorts(2);
    const rp = await startRp(listening(url, [`port: ${stays}`])).ready();
    const load = new Load(`http://127.0.0.1:${stays}/`, 8);
    for (let round = 0; round < 3; round++) {
      rp.write(listening(url, [`port: ${comes}`, `port: ${stays}`]));
      const { status, body } = await post(rp);
      expect([status, JSON.parse(body)]).toMatchObject([
        200,
        { plan: { added: [`listeners[127.0.0.1:${comes}]`], needsRestart: [] } },
      ]);
      await eventually('the new one', async () => !(await isRefused(comes)));
      const seen = await Promise.all(Array.from({ length: 8 }, () => ask(`http://127.0.0.1:${comes}/`)));
      expect(seen.map((one) => one.body)).toEqual(Array.from({ length: 8 }, () => 'a'));
      rp.write(listening(url, [`port: ${stays}`]));
      expect((await post(rp)).status).toBe(200);
      await eventually('refusals', () => isRefused(comes));
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    expect((await rp.stats()).workers).toMatchObject({ ready: 2, restarts: 0 });
  });

  it('lets what is under way on a closed one end, and ends what is idle', async () => {
    const waiting: (() => void)[] = [];
    const { url } = await backend((_request, response) => void waiting.push(() => response.end('slow')));
    const [stays = 0, goes = 0] = await freePorts(2);
    const rp = await startRp(listening(url, [`port: ${stays}`, `port: ${goes}`])).ready();
    const busy = await connection(goes);
    const idle = await connection(goes);
    const elsewhere = await connection(stays);
    busy.socket.write(REQUEST);
    await eventually('the request', () => waiting.length === 1);
    rp.write(listening(url, [`port: ${stays}`]));
    expect((await post(rp)).status).toBe(200);
    await eventually('refusals', () => isRefused(goes));
    await eventually('the end of the idle one', () => idle.closed());
    expect(busy.closed()).toBe(false);
    waiting[0]!();
    await eventually('the slow answer', () => busy.received().includes('slow'));
    await eventually('its end', () => busy.closed());
    expect(elsewhere.closed()).toBe(false);
  });

  it('is refused as a whole where one cannot be had, with its line', async () => {
    const { url } = await wordBackend('a');
    const [stays = 0, comes = 0] = await freePorts(2);
    const taken = net.createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const rp = await startRp(listening(url, [`port: ${stays}`])).ready();
    rp.write(
      listening(url, [`port: ${comes}`, `port: ${stays}`, `port: ${port}`], 'limits: { headers: 16KB }\n'),
    );
    const { status, body } = await post(rp);
    await new Promise((resolve) => taken.close(resolve));
    expect(status).toBe(400);
    expect(JSON.parse(body)).toMatchObject({
      outcome: 'refused',
      problems: [{ code: 'CONFIG_LISTEN', line: 4, column: 33, path: 'listeners[2].port' }],
    });
    const said = await rp.said('reload refused: the running configuration stays');
    expect(said.problems).toContain(`127.0.0.1:${port} is in use by another process`);
    expect(await isRefused(comes)).toBe(true);
    expect((await ask(`http://127.0.0.1:${stays}/`)).body).toBe('a');
    expect((await rp.stats()).config).toEqual({ version: 1, reloads: 0, refusedReloads: 1 });
    // Nothing of the attempt is left: the same file, once the port is free, is taken over.
    expect((await post(rp)).status).toBe(200);
    await eventually('the new ones', async () => !(await isRefused(comes)) && !(await isRefused(port)));
  });

  it('is refused where one would overlap with one that runs, and says how it can be done', async () => {
    const { url } = await wordBackend('a');
    const [port = 0] = await freePorts(1);
    const rp = await startRp(listening(url, [`port: ${port}`])).ready();
    const wider = listening(url, [`port: ${port}`]).replace('address: 127.0.0.1', 'address: 0.0.0.0');
    rp.write(wider);
    const { status, body } = await post(rp);
    expect([status, body]).toEqual([400, expect.stringContaining('overlaps with a listener that runs')]);
    expect((await ask(`http://127.0.0.1:${port}/`)).body).toBe('a');
  });

  it('is refused where a certificate cannot be served, and changes nothing', async () => {
    const { url } = await wordBackend('a');
    const [stays = 0, comes = 0] = await freePorts(2);
    const [one, other] = [certificate(), certificate()];
    const rp = await startRp(listening(url, [`port: ${stays}`])).ready();
    const pair = `certificates: [{ cert: ${one.cert}, key: ${other.key} }]`;
    rp.write(listening(url, [`port: ${stays}`, `port: ${comes}, tls: { ${pair} }`]));
    const { status, body } = await post(rp);
    expect(status).toBe(400);
    expect(JSON.parse(body)).toMatchObject({ problems: [{ line: 3, path: 'listeners[1].tls' }] });
    expect(await isRefused(comes)).toBe(true);
    expect((await ask(`http://127.0.0.1:${stays}/`)).body).toBe('a');
  });

  it('changes one from plain to TLS and back on its port; connections that are open go on', async () => {
    const { url } = await wordBackend('a');
    const [port = 0] = await freePorts(1);
    const { cert, key } = certificate();
    const rp = await startRp(listening(url, [`port: ${port}`])).ready();
    const plain = await connection(port);
    plain.socket.write(REQUEST);
    await eventually('an answer', () => plain.received().includes('200 OK'));
    rp.write(
      listening(url, [`port: ${port}, http2: true, tls: { certificates: [{ cert: ${cert}, key: ${key} }] }`]),
    );
    expect((await post(rp)).status).toBe(200);
    await eventually('TLS from every worker', async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => askTls(port).catch(() => '')));
      return answers.every((answer) => answer === 'a');
    });
    plain.socket.write(REQUEST);
    await eventually('a second answer', () => plain.received().split('200 OK').length === 3);
    rp.write(listening(url, [`port: ${port}`]));
    expect((await post(rp)).status).toBe(200);
    await eventually('no TLS', async () => {
      const answers = await Promise.all(
        Array.from({ length: 6 }, () => ask(`http://127.0.0.1:${port}/`).catch(() => undefined)),
      );
      return answers.every((answer) => answer?.status === 200);
    });
  });

  it('is known to workers that come later', async () => {
    const { url } = await wordBackend('a');
    const [stays = 0, comes = 0, goes = 0] = await freePorts(3);
    const trigger = join(folder(), 'die');
    const preload = `
      import { isMainThread } from 'node:worker_threads';
      import { existsSync, renameSync } from 'node:fs';
      if (!isMainThread) setInterval(() => {
        if (!existsSync(${JSON.stringify(trigger)})) return;
        renameSync(${JSON.stringify(trigger)}, ${JSON.stringify(`${trigger}.done`)});
        process.exit(3);
      }, 5).unref();`;
    const one = listening(url, [`port: ${stays}`, `port: ${goes}`]).replace('workers: 2', 'workers: 1');
    const rp = await startRp(one, { preload }).ready();
    rp.write(listening(url, [`port: ${comes}`, `port: ${stays}`]).replace('workers: 2', 'workers: 1'));
    expect((await post(rp)).status).toBe(200);
    writeFileSync(trigger, '');
    await eventually('the replacement', async () => {
      const { restarts, ready } = (await rp.stats()).workers;
      return restarts === 1 && ready === 1;
    });
    for (const port of [comes, stays]) expect((await ask(`http://127.0.0.1:${port}/`)).body).toBe('a');
    expect(await isRefused(goes)).toBe(true);
  });
});
