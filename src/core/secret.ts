/** A string that must never be printed, and that may be put together from secrets kept elsewhere by name. */
import { inspect } from 'node:util';
import { StarlingError } from './errors.ts';

/** A part of a secret text: plain text, or the name of a secret whose value takes the name's place. */
export type SecretPiece = string | { readonly secret: string };

/** The value of a named secret. @throws STARLING_SECRET_MISSING */
export type SecretLookup = (name: string) => string;

/** Holds a secret; every way of printing it gives `***`. */
export class Secret {
  readonly #pieces: readonly SecretPiece[];
  readonly #lookup: SecretLookup;

  constructor(value: string | readonly SecretPiece[], lookup: SecretLookup = missingSecret) {
    this.#pieces = typeof value === 'string' ? [value] : value;
    this.#lookup = lookup;
  }

  /** Names of the secrets in the text. */
  names(): readonly string[] {
    return this.#pieces.flatMap((piece) => (typeof piece === 'string' ? [] : [piece.secret]));
  }

  /** What of the text stands there as it is: a secret all the same. */
  plainPieces(): string[] {
    return this.#pieces.filter((piece) => typeof piece === 'string');
  }

  /** The same text with its named secrets from `lookup`, which is asked at each `reveal`. */
  bind(lookup: SecretLookup): Secret {
    return new Secret(this.#pieces, lookup);
  }

  /**
   * The secret itself: call this only where it is used, never where it is shown.
   * @throws STARLING_SECRET_MISSING when a secret of that name is not set
   */
  reveal(): string {
    return this.#pieces
      .map((piece) => (typeof piece === 'string' ? piece : this.#lookup(piece.secret)))
      .join('');
  }

  toString(): string {
    return '***';
  }

  toJSON(): string {
    return '***';
  }

  [inspect.custom](): string {
    return '***';
  }
}

/** The texts of all secrets within `value`, however deep; a named one that is not set has none. */
export function secretsWithin(value: unknown): string[] {
  if (value instanceof Secret) {
    const texts = value.plainPieces();
    try {
      return [value.reveal(), ...texts];
    } catch (error) {
      if (!(error instanceof StarlingError)) throw error;
      return texts;
    }
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((one) => secretsWithin(one));
}

/** What a lookup throws when there is no such secret. @throws STARLING_SECRET_MISSING */
export function missingSecret(name: string): never {
  throw new StarlingError('STARLING_SECRET_MISSING', `the secret ${name} is not set`, {
    hint: `set it with: starling secret set ${name}`,
    data: { secret: name },
  });
}
