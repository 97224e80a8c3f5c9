/** Waits for something that happens in another process; fails, saying what it waited for, after ten seconds. */
export async function until<T>(
  look: () => T | Promise<T> | false | null | undefined,
  what: string | (() => string),
  limit = 10_000,
): Promise<T> {
  const end = performance.now() + limit;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found;
    if (performance.now() > end) throw new Error(`waited for ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until a number that another process counts has not changed for a while of looking, and returns it. */
export async function still(look: () => Promise<number>, what: string): Promise<number> {
  let last = -1;
  let same = 0;
  await until(async () => {
    const before = last;
    last = await look();
    same = last === before ? same + 1 : 0;
    return same === 10;
  }, what);
  return last;
}
