import { describe, expect, it } from 'vitest';
import { Load, type Rp, ask, backend, configFor, eventually, startRp } from './run-support.ts';

/** Three backends that fail and recover together, and count what they see. */
async function fleet(options: string): Promise<{
  readonly rp: Rp;
  readonly seen: () => number;
  readonly fail: (failing: boolean) => void;
}> {
  let failing = false;
  let seen = 0;
  const servers = await Promise.all(
    [1, 2, 3].map(() =>
      backend((request, response) => {
        if (request.url !== '/health') seen++;
        if (failing) request.socket.resetAndDestroy();
        else response.end('ok');
      }),
    ),
  );
  const rp = await startRp(
    configFor(
      servers.map(({ url }) => url),
      '',
      options,
    ),
  ).ready();
  return { rp, seen: () => seen, fail: (value) => (failing = value) };
}

const check = (interval: number): string =>
  `    healthCheck: { path: /health, interval: ${interval}ms, timeout: ${interval}ms }`;

describe('a fleet of which nothing answers any more', () => {
  it.each([
    ['with health checks', check(200)],
    ['without any', ''],
    ['with circuit breakers', '    circuitBreaker: { openTime: 500ms }'],
  ])('sees the retry budget, and clients a quick 503 with Retry-After: %s', async (_name, options) => {
    const { rp, seen, fail } = await fleet(options);
    const load = new Load(`http://127.0.0.1:${rp.port}/`, 16);
    await eventually('some load', () => load.ok > 1_000);
    fail(true);
    const [before, from] = [seen(), load.failures.length];
    await eventually('more load', () => load.failures.length - from > 4_000, 15_000);
    const [asked, failed] = [seen() - before, load.failures.length - from];
    // A fifth of the load; what quiet times saved up, five a second, and what it took to notice.
    expect(asked).toBeLessThan(0.2 * failed + 200);
    const start = performance.now();
    const refused = await eventually('a refusal', async () => {
      const answer = await ask(`http://127.0.0.1:${rp.port}/`);
      return answer.status === 503 ? answer : undefined;
    });
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    await load.stop();
  });

  it('is found again within one interval of its health checks, by all clients', async () => {
    const interval = 300;
    const { rp, fail } = await fleet(`${check(interval)}\n    passiveHealth: { ejectionTime: 500ms }`);
    const load = new Load(`http://127.0.0.1:${rp.port}/`, 8);
    fail(true);
    await eventually('its state', async () =>
      (await rp.backends()).every(({ state }) => state === 'unhealthy'),
    );
    fail(false);
    const recovered = performance.now();
    await eventually('an answer', () => load.ok > 0);
    // Jitter is a tenth, and a busy machine is a little late.
    expect(performance.now() - recovered).toBeLessThan(1.1 * interval + 300);
    await eventually('all healthy', async () =>
      (await rp.backends()).every(({ state }) => state === 'healthy'),
    );
    const failed = load.failures.length;
    const served = load.ok;
    await eventually('more answers', () => load.ok > served + 500);
    expect(load.failures.length).toBe(failed);
    await load.stop();
  });
});
