import { afterEach, describe, expect, it, vi } from 'vitest';
import type { LocalAnswer } from '../src/answers.ts';
import { HookPoint, type HookFailure, type HookHandler } from '../src/hooks.ts';
import { turns } from './support/wait.ts';

interface Run {
  readonly verdicts: (LocalAnswer | undefined)[];
  readonly failures: HookFailure[];
  readonly point: HookPoint<string>;
  run(): void;
}

function hookPoint(): Run {
  const verdicts: (LocalAnswer | undefined)[] = [];
  const failures: HookFailure[] = [];
  const point = new HookPoint<string>('test', (failure) => failures.push(failure));
  return { verdicts, failures, point, run: () => point.run('event', (verdict) => verdicts.push(verdict)) };
}

describe('a hook point', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is inactive without handlers, and again when the last one has left', () => {
    const { point } = hookPoint();
    expect(point.active).toBe(false);
    const remove = point.on(() => undefined);
    expect(point.active).toBe(true);
    remove();
    expect(point.active).toBe(false);
  });

  it('runs handlers by priority, equal ones in the order they came, and is done synchronously', () => {
    const { point, verdicts, run } = hookPoint();
    const order: number[] = [];
    point.on(() => void order.push(3), { priority: 5 });
    point.on(() => void order.push(1), { priority: -1 });
    point.on(() => void order.push(2));
    point.on(() => void order.push(4), { priority: 5 });
    run();
    expect(order).toEqual([1, 2, 3, 4]);
    expect(verdicts).toEqual([undefined]);
  });

  it('waits for asynchronous handlers, whatever kind of promise they give', async () => {
    const { point, verdicts, run } = hookPoint();
    const order: string[] = [];
    point.on(async () => {
      await Promise.resolve();
      order.push('a');
    });
    const thenable = {
      then: (resolve: (value: undefined) => void) => void queueMicrotask(() => resolve(undefined)),
    };
    point.on((() => thenable) as unknown as HookHandler<string>);
    point.on(() => void order.push('b'));
    run();
    expect(order).toEqual([]);
    await turns(2);
    expect(order).toEqual(['a', 'b']);
    expect(verdicts).toEqual([undefined]);
  });

  it('stops at the first answer', () => {
    const { point, verdicts, run } = hookPoint();
    let later = 0;
    point.on(() => ({ status: 403 }));
    point.on(() => void later++);
    run();
    expect(verdicts).toEqual([{ status: 403 }]);
    expect(later).toBe(0);
  });

  it.each([
    [
      'throws',
      (): never => {
        throw new Error('no');
      },
    ],
    ['rejects', (): Promise<never> => Promise.reject(new Error('no'))],
    [
      'throws what is no error',
      (): never => {
        throw 'no' as unknown as Error;
      },
    ],
  ])('a handler that %s is reported and skipped, or refuses if it said so', async (_name, handler) => {
    for (const onFailure of ['skip', 'refuse'] as const) {
      const { point, verdicts, failures, run } = hookPoint();
      point.on(handler, { onFailure, name: 'mine' });
      run();
      await turns(2);
      expect(failures).toMatchObject([{ hook: 'test', handler: 'mine', error: { message: 'no' } }]);
      expect(verdicts).toEqual([onFailure === 'skip' ? undefined : { status: 500 }]);
    }
  });

  it('a handler that overruns its time is reported once, and what it says later is ignored', async () => {
    vi.useFakeTimers();
    const { point, verdicts, failures, run } = hookPoint();
    let late: ((verdict: LocalAnswer) => void) | undefined;
    point.on(
      () =>
        new Promise((resolve) => {
          late = resolve;
        }),
      { timeBudget: 100 },
    );
    run();
    await vi.advanceTimersByTimeAsync(99);
    expect(verdicts).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(verdicts).toEqual([undefined]);
    late!({ status: 403 });
    await vi.advanceTimersByTimeAsync(100);
    expect(verdicts).toEqual([undefined]);
    expect(failures).toHaveLength(1);
  });

  it.each([
    ['a field that splits the response', { status: 200, fields: ['X', 'a\r\nSet-Cookie: b'] }],
    ['a name that is no token', { status: 200, fields: ['X Y', 'a'] }],
    ['a framing field', { status: 200, fields: ['Content-Length', '5'] }],
    ['a coding', { status: 200, fields: ['Transfer-Encoding', 'chunked'] }],
    ['a name without value', { status: 200, fields: ['X'] }],
    ['a value that is no string', { status: 200, fields: ['X', 5] }],
    ['fields that are no list', { status: 200, fields: {} }],
    ['an interim status', { status: 100 }],
    ['no status', {}],
    ['a status that is no number', { status: '200' }],
    ['a body that is none', { status: 200, body: 5 }],
    ['no object at all', 'yes'],
  ])('an answer with %s becomes 500, and is reported', (_name, answer) => {
    const { point, verdicts, failures, run } = hookPoint();
    point.on((() => answer) as unknown as HookHandler<string>);
    run();
    expect(verdicts).toEqual([{ status: 500 }]);
    expect(failures).toHaveLength(1);
  });
});
