/** What a secret may be called. Imports nothing, because commands of the CLI ask it. */

const NAME = /^[A-Z][A-Z0-9_]{0,63}$/;

/** The form, in words. */
export const SECRET_NAME_FORM = '1 to 64 of A-Z, 0-9 and _, beginning with a letter';

/** Whether a secret can be called `name`. */
export function isSecretName(name: string): boolean {
  return NAME.test(name);
}
