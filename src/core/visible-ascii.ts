/** True for visible ASCII and nothing else: what a header, a bearer token (RFC 6750 §2.1) or a session id may hold. */
export function isVisible(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}
