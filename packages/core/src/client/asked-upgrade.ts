/** Nobody may switch to a protocol that the client did not name (RFC 9110 §7.8). `''`: none was chosen. */
export function isAskedFor(chosen: string, asked: string): boolean {
  if (chosen === '') return false;
  const names = asked.toLowerCase().split(/[\s,]+/);
  return chosen
    .toLowerCase()
    .split(/[\s,]+/)
    .every((name) => names.includes(name));
}
