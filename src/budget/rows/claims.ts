/** What every signed text of a budget says in the same way: whole numbers and keys. */
import { isCount } from '../../core/index.ts';
import type { Did } from '../../core/index.ts';
import { parseDid } from '../../identity/index.ts';
import type { malformedAs } from '../../identity/index.ts';

/** Readers of single claims. */
export interface ClaimReaders {
  /** @throws STARLING_GRANT_MALFORMED where the value is no whole number from 0 to `max` */
  countOf(this: void, value: unknown, what: string, max: number): number;
  /** @throws STARLING_GRANT_MALFORMED where the value is no did:key */
  didOf(this: void, value: unknown): Did;
}

/** Makes the readers of one kind of text, whose name is in the errors that `malformed` makes. */
export function claimReaders(malformed: ReturnType<typeof malformedAs>): ClaimReaders {
  return {
    countOf(value, what, max) {
      if (isCount(value) && value <= max) return value;
      throw malformed('claims', `its ${what} is no whole number from 0 to ${max}`);
    },
    didOf(value) {
      try {
        return parseDid(String(value));
      } catch (error) {
        throw malformed('claims', 'it names what is no did:key', error);
      }
    },
  };
}
