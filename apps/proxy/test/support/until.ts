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
