import { stdout, threadCpuUsage } from 'node:process';

const rows: string[] = [];
let kept = 0;

const round = (turns: number, work: (turn: number) => number): number => {
  // Processor time, not wall-clock time: other processes on the machine must not count.
  const start = threadCpuUsage();
  for (let turn = 0; turn < turns; turn++) kept += work(turn);
  const { user, system } = threadCpuUsage(start);
  return ((user + system) * 1000) / turns;
};

/** Nanoseconds of processor time per call, median of five rounds after one to warm up. */
export function bench(name: string, turns: number, work: (turn: number) => number): void {
  round(turns, work);
  const rounds = Array.from({ length: 5 }, () => round(turns, work)).sort((a, b) => a - b);
  rows.push(`${name.padEnd(52)}${(rounds[2] ?? 0).toFixed(0).padStart(9)} ns/op`);
}

/** Prints all figures. The sum of the results is printed too, so that no work can be optimised away. */
export function report(): void {
  stdout.write(`${rows.join('\n')}\n(check ${kept % 97})\n`);
}
