/** Which budgets a use counts against by their patterns: the same as when each of them is looked at, but without that. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { BudgetUses } from '../../src/budget/budget-use.ts';
import type { Books } from '../../src/budget/books/book-types.ts';
import { matchResource, parseTarget } from '../../src/grants/index.ts';

const SELF = 'did:key:me';

/** The books as far as uses ask them: each budget is this node's own. */
function usesOf(whoms: readonly string[]): {
  readonly uses: BudgetUses;
  readonly close: (at: number) => void;
} {
  const closed = new Set<string>();
  const books = {
    self: SELF,
    founderOf: () => SELF,
    terms: (id: string) => ({ for: whoms[Number(id)] }),
    account: (id: string) => (closed.has(id) ? { acts: { closed: true } } : {}),
    isClosed: (id: string) => closed.has(id),
  };
  const uses = new BudgetUses(books as unknown as Books);
  whoms.forEach((_, at) => uses.look(String(at)));
  return {
    uses,
    close(at) {
      closed.add(String(at));
      uses.look(String(at));
    },
  };
}

const NAMES = fc.constantFrom('a', 'b', 'ab', 'starling', '%61');
const PART = fc.constantFrom('a', 'b', 'ab', '*', 'a*', '*b', 'starling', '%61');
const TARGET = fc
  .tuple(fc.constantFrom('tool', 'model'), NAMES, NAMES)
  .map(([scheme, first, second]) => `${scheme}:${first}/${second}`);
const PATTERN = fc.oneof(
  fc
    .tuple(fc.constantFrom('tool', 'model'), PART, fc.oneof(PART, fc.constant('**')))
    .map(([scheme, first, second]) => `${scheme}:${first}/${second}`),
  fc.constantFrom('tool:**', 'model:**', 'client:claude', 'task:1'),
);

it('counts against the budgets whose patterns match, whatever they begin with, until they are closed', () => {
  fc.assert(
    fc.property(
      fc.array(PATTERN, { minLength: 1, maxLength: 12 }),
      TARGET,
      fc.nat(),
      (whoms, written, nth) => {
        const { uses, close } = usesOf(whoms);
        const wanted = whoms.flatMap((whom, at) =>
          /^(tool|model):.*\*/.test(whom) && matchResource(whom, written) ? [String(at)] : [],
        );
        const target = parseTarget(written);
        expect(uses.matching(target).toSorted()).toEqual(wanted.toSorted());
        const at = nth % whoms.length;
        close(at);
        expect(uses.matching(target).toSorted()).toEqual(
          wanted.filter((id) => id !== String(at)).toSorted(),
        );
      },
    ),
    { seed: 9, numRuns: 300 },
  );
});
