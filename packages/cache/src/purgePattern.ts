/**
 * A test for keys (`scheme://host/path?query`) against a pattern in which `*` stands for any characters, none among
 * them. A pattern without `*` matches that key alone.
 *
 * Runs in time proportional to the key for each `*`; there is no regular expression to be made to back-track.
 */
export function keyMatcher(pattern: string): (key: string) => boolean {
  const parts = pattern.split('*');
  if (parts.length === 1) return (key) => key === pattern;
  const first = parts[0] as string;
  const last = parts[parts.length - 1] as string;
  const middle = parts.slice(1, -1).filter((part) => part !== '');
  return (key) => {
    if (!key.startsWith(first)) return false;
    let at = first.length;
    for (const part of middle) {
      const found = key.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return key.length - last.length >= at && key.endsWith(last);
  };
}
