const tokenCodes = new Uint8Array(256);
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  tokenCodes[character.charCodeAt(0)] = 1;
}

/** True for the code of a `tchar` (RFC 9110 §5.6.2). */
export function isTokenCode(code: number): boolean {
  return code < 256 && tokenCodes[code] === 1;
}

/** True for a field name: a token (RFC 9110 §5.1). */
export function isFieldName(name: string): boolean {
  for (let at = 0; at < name.length; at++) {
    if (!isTokenCode(name.charCodeAt(at))) return false;
  }
  return name.length > 0;
}

/**
 * True for a field value (RFC 9110 §5.5): visible US-ASCII, obs-text, and space or tab inside but not at
 * the ends. No CR, LF, NUL or other control, and nothing above U+00FF, which latin1 would cut into something
 * else.
 */
export function isFieldValue(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code < 0x20 ? code !== 0x09 : code === 0x7f || code > 0xff) return false;
  }
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(value.length - 1));
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** `Name: value\r\n`. @throws TypeError if either could end the line or begin another. */
export function checkedField(name: string, value: string): string {
  if (!isFieldName(name)) throw new TypeError('A field name must be a token');
  if (!isFieldValue(value)) throw new TypeError(`The value of ${name} has characters that no field may have`);
  return `${name}: ${value}\r\n`;
}

/** True for a reason phrase (RFC 9112 §4): what a value may have, and it may be empty. */
export function isReasonPhrase(reason: string): boolean {
  for (let at = 0; at < reason.length; at++) {
    const code = reason.charCodeAt(at);
    if (code < 0x20 ? code !== 0x09 : code === 0x7f || code > 0xff) return false;
  }
  return true;
}
