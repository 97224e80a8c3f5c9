import { describe, expect, it } from 'vitest';
import { ExpiryWatch, daysLeft } from '@rp/tls';
import { fakeCertificate } from './support/fake-certificate.ts';

const DAY = 86_400_000;

function watching(days?: readonly number[]) {
  const clock = { now: 0 };
  const notices: string[] = [];
  const watch = new ExpiryWatch({
    now: () => clock.now,
    onNotice: ({ certificate, threshold, daysLeft: left }) =>
      notices.push(`${certificate.fingerprint} ${threshold} ${left}`),
    ...(days === undefined ? {} : { days }),
  });
  return { clock, notices, watch };
}

describe('expiry', () => {
  it('is told 30, 14, 7 and 1 days ahead and at the end, once each', () => {
    const { clock, notices, watch } = watching();
    const certificates = [fakeCertificate(['a'], { id: 'a', notAfter: 40 * DAY })];
    for (let hour = 0; hour <= 41 * 24; hour += 1) {
      clock.now = hour * 3_600_000 + 1;
      watch.check(certificates);
    }
    expect(notices).toEqual(['a 30 29', 'a 14 13', 'a 7 6', 'a 1 0', 'a 0 -1']);
  });

  it('is told once, by the nearest threshold, when the process starts late', () => {
    const { clock, notices, watch } = watching();
    clock.now = 35 * DAY;
    watch.check([fakeCertificate(['a'], { id: 'a', notAfter: 40 * DAY })]);
    expect(notices).toEqual(['a 7 5']);
  });

  it('is told of nothing that has long to go', () => {
    const { notices, watch } = watching();
    const next = watch.check([fakeCertificate(['a'], { notAfter: 40 * DAY })]);
    expect(notices).toEqual([]);
    expect(next).toBe(10 * DAY + 1);
  });

  it('says when to look again', () => {
    const { clock, watch, notices } = watching();
    const certificates = [
      fakeCertificate(['a'], { id: 'a', notAfter: 40 * DAY }),
      fakeCertificate(['b'], { id: 'b', notAfter: 20 * DAY }),
    ];
    const seen: number[] = [];
    for (let next = 0; next !== Infinity;) {
      clock.now = next;
      next = watch.check(certificates);
      seen.push(next);
    }
    expect(notices).toHaveLength(10);
    expect(seen.at(-1)).toBe(Infinity);
  });

  it('starts anew for a certificate that took the place of another, and again if the old one comes back', () => {
    const { clock, notices, watch } = watching();
    const old = fakeCertificate(['a'], { id: 'old', notAfter: 10 * DAY });
    watch.check([old]);
    watch.check([fakeCertificate(['a'], { id: 'new', notAfter: 100 * DAY })]);
    clock.now = DAY;
    watch.check([old]);
    watch.check([old]);
    expect(notices).toEqual(['old 14 10', 'old 14 9']);
  });

  it('takes other days, in any order, but no zero or negative ones', () => {
    const { clock, notices, watch } = watching([1, 60]);
    clock.now = 1;
    watch.check([fakeCertificate(['a'], { id: 'a', notAfter: 40 * DAY })]);
    expect(notices).toEqual(['a 60 39']);
    expect(() => watching([0])).toThrow(/positive/);
    expect(() => watching([-1])).toThrow(/positive/);
  });

  it('counts whole days', () => {
    expect(daysLeft(10 * DAY, 9 * DAY)).toBe(1);
    expect(daysLeft(10 * DAY, 9 * DAY + 1)).toBe(0);
    expect(daysLeft(10 * DAY, 10 * DAY + 1)).toBe(-1);
  });
});
