/**
 * Takes a request apart field by field, so that none is forgotten: what is not taken is named, as ignored where the answer
 * is of the same kind without it, else as an error.
 */
import { StarlingError } from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';

const NAMES_MAX = 32;

/** What of a request was left out, by name. */
export class Ignored {
  readonly #names = new Set<string>();

  /** Notes that `name` is left out. */
  add(name: string): void {
    if (this.#names.size < NAMES_MAX)
      this.#names.add(name.replaceAll(/[^\w.-]/g, '_').slice(0, 64));
  }

  /** The names, in the order in which they were left out. */
  names(): readonly string[] {
    return [...this.#names];
  }
}

/** The fields of one object of a request. */
export class Fields {
  readonly #rest: Map<string, Json | undefined>;
  readonly #where: string;

  /** `where` is how errors name the object: empty for the request itself. */
  constructor(value: JsonObject, where = '') {
    this.#rest = new Map(Object.entries(value).filter(([, one]) => one !== null));
    this.#where = where;
  }

  /** The field's value, undefined where it is not there or null; it counts as used. */
  take(name: string): Json | undefined {
    const value = this.#rest.get(name);
    this.#rest.delete(name);
    return value;
  }

  /** Refuses what would make the answer another one, where `isPlain` does not hold. @throws STARLING_MODEL_UNSUPPORTED */
  refuse(name: string, isPlain: (value: Json) => boolean = () => false): void {
    const value = this.take(name);
    if (value !== undefined && !isPlain(value)) throw unsupported(this.#nameOf(name));
  }

  /** Notes all that was not taken. */
  leave(ignored: Ignored): void {
    for (const name of this.#rest.keys()) ignored.add(this.#nameOf(name));
  }

  #nameOf(name: string): string {
    return this.#where === '' ? name : `${this.#where}.${name}`;
  }
}

/** The error for a field that the provider's API has no word for. */
export function unsupported(name: string): StarlingError {
  return new StarlingError(
    'STARLING_MODEL_UNSUPPORTED',
    `the model's provider speaks another API, which has no word for '${name.slice(0, 128)}'`,
    {
      hint: 'leave it out, or choose a model whose provider speaks the API of the request',
      data: { field: name.slice(0, 128) },
    },
  );
}

/** The object without the fields that are undefined. */
export function present(fields: Readonly<Record<string, Json | undefined>>): JsonObject {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}
