import { expect, test } from 'vitest';
import { sendPosts } from '../src/posts/run.ts';

const settings = { requests: 600, connections: 16, workers: 2, seed: 7 };

// Needs the built rp. The whole proof is node dist/posts.js, with 10,000 requests.

test('POST is never sent twice, whatever backends do and however much rp may retry', async () => {
  const { requests, seen, twice, answers } = await sendPosts({ ...settings, method: 'POST' });
  expect(requests).toBeGreaterThanOrEqual(600);
  expect(twice).toBe(0);
  // It was not for want of failures.
  expect(seen).toBeGreaterThan(500);
  expect(answers['502']).toBeGreaterThan(100);
});

test('PUT is, so that many of them succeed at last', async () => {
  const { requests, twice, answers, retries } = await sendPosts({ ...settings, method: 'PUT' });
  expect(twice).toBeGreaterThan(100);
  expect(retries).toBeGreaterThan(100);
  // Most attempts fail, and how many of them meet in time depends on the machine.
  expect(answers['200'] ?? 0).toBeGreaterThan(requests / 4);
});
