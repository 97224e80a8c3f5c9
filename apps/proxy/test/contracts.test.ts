import {
  AttemptOutcome as BalancerOutcome,
  UpstreamGroup,
  type Backend,
  type FailedAttempt as BalancerFailedAttempt,
  type RetryDecision as BalancerRetryDecision,
} from '@rp/balancer';
import {
  AttemptOutcome,
  type BackendPool,
  type BackendStream,
  type BackendTarget,
  type Balancer,
  type FailedAttempt,
  type PickContext,
  type RetryDecision,
} from '@rp/core';
import type { ConnectionPool } from '@rp/pool';
import { expect, expectTypeOf, it } from 'vitest';

// The packages import nothing of each other when they run: that they fit is seen here.

it('the balancer fits the engine, without a cast', () => {
  expectTypeOf<UpstreamGroup>().toExtend<Balancer<Backend>>();
  const balancer: Balancer = new UpstreamGroup({ name: 'app', backends: [{ url: 'http://a:1' }] });
  const context: PickContext = { clientAddress: '192.0.2.1', cookie: undefined, now: 1 };
  expect(balancer.pick(context, undefined)?.key).toBe('http://a:1');
});

it('both number the outcomes of attempts alike', () => {
  expect(AttemptOutcome).toEqual(BalancerOutcome);
  expectTypeOf<AttemptOutcome>().toEqualTypeOf<BalancerOutcome>();
});

it('both mean the same by a failed attempt, a decision and a backend', () => {
  expectTypeOf<FailedAttempt>().toEqualTypeOf<BalancerFailedAttempt>();
  expectTypeOf<BalancerRetryDecision>().toExtend<RetryDecision>();
  expectTypeOf<Backend>().toExtend<BackendTarget>();
});

it('the pool fits the engine', () => {
  type Connection = BackendStream & { slot: undefined; isReusable(): boolean; destroy(): void };
  type Pool = Pick<ConnectionPool<Connection>, 'congested' | 'upkeep' | 'drain'>;
  expectTypeOf<Pool>().toExtend<Pick<BackendPool<BackendStream>, 'congested' | 'upkeep' | 'drain'>>();
});
