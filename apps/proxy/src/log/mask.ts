const secretParameter =
  /([?&;#](?:[a-z0-9_.-]*(?:token|secret|passw(?:or)?d|api[_-]?key|signature|credential|session)[a-z0-9_.-]*|auth|authorization|sig|pwd|jwt|code|sid|assertion)=)[^&;#\s]*/giu;
const userInfo = /^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/iu;

/**
 * A request target or URL with the values of parameters that look like secrets (`token`, `password`, `api_key`,
 * `signature`, …) and the user part of an absolute URL replaced by `***`. Names decide, not values: a secret in
 * a parameter of another name, or in the path, is not recognised.
 */
export function maskTarget(target: string): string {
  let masked = target;
  if (!target.startsWith('/') && target.includes('@')) masked = masked.replace(userInfo, '$1***@');
  if (target.includes('=')) masked = masked.replaceAll(secretParameter, '$1***');
  return masked;
}
