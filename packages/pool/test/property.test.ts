import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Model, scenario, type Scenario } from './model.ts';

function play(options: Scenario): void {
  const model = new Model(options);
  for (const [index, step] of options.steps.entries()) {
    model.run(step);
    if (index === options.drainAfter) model.world.pool.drain();
    // A connect that succeeded inside `connect` is known to the pool only after the present call.
    if (options.connectsAtOnce) model.world.settle();
    model.check();
  }
  model.serveAll();
  model.check();
  model.finish();
}

describe('no lost wake-up', () => {
  it('holds its limits and forgets no waiter in any interleaving', () => {
    expect(() => fc.assert(fc.property(scenario, play), { numRuns: 1_500 })).not.toThrow();
  });
});
