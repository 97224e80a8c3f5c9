import { HealthChecker, type HealthCheckOptions, type Probe, type ProbeAnswer } from '@rp/balancer';
import { describe, expect, test } from 'vitest';
import { FakeTime } from './fake-time.ts';
import { Fleet, seeded, urls } from './fleet.ts';

type Behaviour = ProbeAnswer | Error | 'hang' | 'late';

const ok: ProbeAnswer = { status: 200, body: 'fine' };

/** A fleet under checks; what each backend does is set by the test. */
class Clinic {
  readonly time: FakeTime = new FakeTime();
  readonly fleet: Fleet;
  readonly checker: HealthChecker;
  readonly behaviours: Behaviour[];
  /** Answers to the checks of those that are `late`. */
  readonly late: ((answer: ProbeAnswer) => void)[] = [];
  readonly probes: (Probe & { readonly at: number })[] = [];

  constructor(options: HealthCheckOptions = {}, fleet: Fleet = new Fleet({ slowStart: false })) {
    this.fleet = fleet;
    this.behaviours = fleet.group.set.backends.map(() => ok);
    const prober = { probe: (probe: Probe) => this.#answer(probe) };
    this.checker = new HealthChecker(fleet.group, { jitter: 0, ...options }, prober, this.time, seeded(3));
    this.checker.start();
  }

  states(): string {
    return this.fleet.group
      .statistics()
      .map(({ state }) => state)
      .join(' ');
  }

  times(position: number): number[] {
    return this.probes.filter(({ backend }) => this.fleet.position(backend) === position).map(({ at }) => at);
  }

  #answer(probe: Probe): Promise<ProbeAnswer> {
    this.probes.push({ ...probe, at: this.time.now() });
    const behaviour = this.behaviours[this.fleet.position(probe.backend)] ?? ok;
    if (behaviour === 'hang') return new Promise(() => {});
    if (behaviour === 'late') return new Promise((resolve) => this.late.push(resolve));
    return behaviour instanceof Error ? Promise.reject(behaviour) : Promise.resolve(behaviour);
  }
}

test('a stopped backend leaves within interval x threshold, and comes back', async () => {
  const clinic = new Clinic();
  await clinic.time.pass(15_000);
  clinic.behaviours[1] = new Error('connection refused');
  await clinic.time.pass(30_000);
  expect(clinic.states()).toBe('healthy unhealthy healthy');
  clinic.behaviours[1] = ok;
  await clinic.time.pass(30_000);
  expect(clinic.states()).toBe('healthy healthy healthy');
  expect(clinic.fleet.changes).toEqual([
    '1: healthy -> unhealthy (healthCheckFailed: connection refused)',
    '1: unhealthy -> healthy (healthCheckSucceeded)',
  ]);
});

test('a hanging backend fails by timeout, and its check is aborted', async () => {
  const clinic = new Clinic({ timeoutMs: 2_000, failureThreshold: 1 });
  clinic.behaviours[0] = 'hang';
  await clinic.time.pass(1_000);
  const probe = clinic.probes.find(({ backend }) => clinic.fleet.position(backend) === 0);
  expect(probe?.signal.aborted).toBe(false);
  await clinic.time.pass(2_000);
  expect(probe?.signal.aborted).toBe(true);
  expect(clinic.fleet.changes).toEqual(['0: healthy -> unhealthy (healthCheckFailed: timeout)']);
});

test('flapping backends do not flap: one bad check, or one good one, changes nothing', async () => {
  const clinic = new Clinic();
  for (let i = 0; i < 20; i++) {
    clinic.behaviours[0] = i % 3 === 2 ? ok : { status: 503, body: '' };
    await clinic.time.pass(10_000);
  }
  expect(clinic.fleet.changes).toEqual([]);
});

describe('expectations', () => {
  const rows: readonly [HealthCheckOptions, ProbeAnswer, boolean][] = [
    [{}, { status: 302, body: '' }, true],
    [{}, { status: 404, body: '' }, false],
    [{ status: '200-299, 404' }, { status: 404, body: '' }, true],
    [{ status: '204' }, { status: 200, body: '' }, false],
    [{ body: 'ready' }, { status: 200, body: 'not yet' }, false],
    [{ body: 'ready' }, { status: 200, body: 'all ready' }, true],
    [{ body: /^UP\b/g }, { status: 200, body: 'UP 3' }, true],
    [{ body: /^UP\b/ }, { status: 200, body: 'DOWN' }, false],
  ];
  test.each(rows)('%o, %o: %s', async (options, answer, healthy) => {
    const clinic = new Clinic({ failureThreshold: 1, ...options });
    clinic.behaviours[0] = answer;
    await clinic.time.pass(25_000);
    expect(clinic.fleet.group.stateOf(clinic.fleet.backend(0))).toBe(healthy ? 'healthy' : 'unhealthy');
  });
});

test('a backend that stays down is checked less and less often, and normally again once it answers', async () => {
  const clinic = new Clinic({ failureThreshold: 1 });
  clinic.behaviours[0] = new Error('refused');
  await clinic.time.pass(250_000);
  const times = clinic.times(0);
  const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
  expect(gaps.slice(0, 6)).toEqual([10_000, 20_000, 40_000, 60_000, 60_000].concat(gaps.slice(5, 6)));
  clinic.behaviours[0] = ok;
  await clinic.time.pass(75_000);
  expect(clinic.states()).toBe('healthy healthy healthy');
});

test('with the whole fleet down recovery is found within one interval, by one good check', async () => {
  const clinic = new Clinic({ failureThreshold: 1 });
  clinic.behaviours[0] = new Error('refused');
  // Checked last at 250 s, and next at 310 s if nothing happened to the others.
  await clinic.time.pass(255_000);
  clinic.behaviours[1] = clinic.behaviours[2] = new Error('refused');
  await clinic.time.pass(11_000);
  expect(clinic.states()).toBe('unhealthy unhealthy unhealthy');
  clinic.behaviours[0] = ok;
  await clinic.time.pass(10_000);
  expect(clinic.states()).toBe('healthy unhealthy unhealthy');
});

test('with the whole fleet down there is no back-off, and no hammering either', async () => {
  const clinic = new Clinic({ failureThreshold: 1 });
  for (const position of [0, 1, 2]) clinic.behaviours[position] = new Error('refused');
  await clinic.time.pass(60_000);
  clinic.probes.length = 0;
  await clinic.time.pass(200_000);
  expect([0, 1, 2].map((position) => clinic.times(position).length)).toEqual([20, 20, 20]);
});

test('an answer that comes after the timeout changes nothing', async () => {
  const clinic = new Clinic({ failureThreshold: 1, successThreshold: 1, timeoutMs: 1_000 });
  clinic.behaviours[0] = 'late';
  await clinic.time.pass(2_500);
  expect(clinic.states()).toBe('unhealthy healthy healthy');
  clinic.late.forEach((answer) => answer(ok));
  await clinic.time.pass(1);
  expect(clinic.states()).toBe('unhealthy healthy healthy');
});

test('checks are spread by jitter', async () => {
  const fleet = new Fleet({ size: 50 });
  const clinic = new Clinic({ jitter: 0.1 }, fleet);
  await clinic.time.pass(60_000);
  const fifth = fleet.group.set.backends.map((_, i) => Math.round(clinic.times(i)[4] ?? 0));
  expect(new Set(fifth).size).toBeGreaterThan(40);
});

test('new backends are checked, removed ones no more, disabled ones not', async () => {
  const clinic = new Clinic();
  await clinic.time.pass(20_000);
  clinic.fleet.group.update({ backends: urls(4).slice(1) });
  clinic.checker.backendsChanged();
  clinic.fleet.group.setAdministration(clinic.fleet.backend(0), 'disabled', 'test', clinic.time.now());
  clinic.probes.length = 0;
  await clinic.time.pass(30_000);
  expect(new Set(clinic.probes.map(({ backend }) => backend.host))).toEqual(
    new Set(['10.0.0.2', '10.0.0.3']),
  );
});

test('backends that start as unhealthy serve after their first good check', async () => {
  const clinic = new Clinic({}, new Fleet({ initialState: 'unhealthy', allDown: 'reject' }));
  expect(clinic.fleet.pick()).toBeUndefined();
  await clinic.time.pass(1_000);
  expect(clinic.states()).toBe('healthy healthy healthy');
});

test('a successful check lets trials through an open circuit', async () => {
  const clinic = new Clinic(
    {},
    new Fleet({ ejection: false, circuitBreaker: { openMs: 500_000, maxOpenMs: 500_000 } }),
  );
  clinic.fleet.attempt(clinic.fleet.backend(0), 2, 5);
  clinic.behaviours[0] = new Error('refused');
  await clinic.time.pass(35_000);
  clinic.behaviours[0] = ok;
  await clinic.time.pass(60_000);
  expect(clinic.fleet.changes.at(-2)).toBe('0: open -> halfOpen (healthCheckSucceeded)');
});

test('nothing is left behind after stop', async () => {
  const clinic = new Clinic();
  clinic.behaviours[0] = 'hang';
  await clinic.time.pass(1_500);
  clinic.checker.stop();
  expect(clinic.time.pending).toBe(0);
  expect(clinic.probes[0]?.signal).toBeDefined();
});

test.each([
  { path: 'health' },
  { path: '/a b' },
  { path: '/\r\nX: 1' },
  { host: 'a\r\nb' },
  { method: 'GET /' },
  { status: '2xx' },
  { intervalMs: 1 },
])('%o is refused', (options) => {
  expect(() => new Clinic(options)).toThrow(/healthCheck/);
});
