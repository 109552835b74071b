import { describe, expect, it } from 'vitest';
import { evaluateCall, targetOf } from '../../../src/grants/use/evaluate-call.ts';
import type { WantedCall } from '../../../src/grants/use/evaluate-call.ts';
import type { Counters } from '../../../src/grants/use/counters.ts';
import type { Capability, Grant } from '../../../src/grants/index.ts';
import { ALL_FILES, NOW_MS, alice, grantOf, owner } from '../arrange.ts';

const READ: WantedCall = { resource: 'tool:files/read', ability: 'tool/call' };
const OTHER: Capability = { resource: 'tool:mail/*', ability: 'tool/call' };
const withCaveats = (caveats: NonNullable<Capability['caveats']>): Capability => ({
  ...ALL_FILES,
  caveats,
});
const COUNTED = withCaveats({ uses: 3 });
const PACED = withCaveats({ rate: { per_s: 1, burst: 1 } });
const ASKED = withCaveats({ approval: 'required' });
const CLOSED = withCaveats({ args: { path: { paths: ['/srv/**'] } } });
const given = (...cap: Capability[]): Grant => grantOf(owner, alice, { cap });

interface Answers {
  /** Grants of which nothing is left. */
  readonly full?: readonly Grant[];
  readonly settled?: Promise<void>;
}

/** Counters that note what they are asked. */
function countersOf({ full = [], settled }: Answers = {}): Counters & { readonly log: string[] } {
  const log: string[] = [];
  const refusal = (grant: Grant) => ({ rule: 'uses', text: `${grant.claims.jti} is used up` });
  const isFull = (grant: Grant): boolean => full.includes(grant);
  return {
    log,
    take(grant: Grant, index: number) {
      log.push(`take ${grant.claims.jti} ${index}`);
      if (isFull(grant)) return { ok: false, refusal: refusal(grant) };
      return settled === undefined ? { ok: true } : { ok: true, settled };
    },
    lacks: (grant: Grant) => (isFull(grant) ? refusal(grant) : undefined),
  } as unknown as Counters & { readonly log: string[] };
}

const evaluate = (grants: readonly Grant[], counters?: Counters, wanted = READ) =>
  evaluateCall(grants, wanted, counters, NOW_MS);

describe('a call', () => {
  it('that no grant can name, of a caller without grants, and of one whose grants are about other things', () => {
    const none = (rule: string) => ({ allow: false, refusal: { rule } });
    expect(evaluate([], undefined, { ...READ, resource: 'tool:' })).toEqual(none('malformed'));
    expect(evaluate([], countersOf())).toEqual(none('no-grant'));
    expect(evaluate([given(OTHER)], countersOf())).toEqual(none('not-covered'));
  });

  it('is charged to nothing where a grant costs nothing, wherever that stands', () => {
    const [counted, paced, free] = [given(COUNTED), given(PACED), given(ALL_FILES)];
    const counters = countersOf();
    expect(evaluate([counted, paced, free], counters)).toEqual({ allow: true, grant: free });
    expect(counters.log).toEqual([]);
  });

  it.each([COUNTED, PACED])('is charged to the capability that covers it: %j', (cap) => {
    const grant = given(OTHER, cap);
    const settled = Promise.resolve();
    const counters = countersOf({ settled });
    expect(evaluate([grant], counters)).toEqual({ allow: true, grant, settled });
    expect(counters.log).toEqual([`take ${grant.claims.jti} 1`]);
    expect(evaluate([grant], countersOf())).toEqual({ allow: true, grant });
  });

  it('is charged to the first grant that has something left', () => {
    const [first, second, third] = [given(COUNTED), given(COUNTED), given(COUNTED)];
    const counters = countersOf({ full: [first] });
    expect(evaluate([first, second, third], counters)).toEqual({ allow: true, grant: second });
    expect(counters.log).toEqual([first, second].map(({ claims }) => `take ${claims.jti} 0`));
  });

  it('is refused by the one reason that there is, and by all of them in the order of the grants', () => {
    const [closed, full] = [given(CLOSED), given(COUNTED)];
    const used = { rule: 'uses', text: `${full.claims.jti} is used up` };
    const counters = countersOf({ full: [full] });
    expect(evaluate([full], counters)).toEqual({ allow: false, refusal: used });
    const both = evaluate([closed, full], counters);
    expect(both).toMatchObject({
      allow: false,
      refusal: { rule: 'args', causes: [{ rule: 'args' }, used] },
    });
  });

  it('is told at most eight reasons, the first ones', () => {
    const closed = Array.from({ length: 9 }, () => given(CLOSED));
    const full = given(COUNTED);
    const reasons = (grants: readonly Grant[]): readonly string[] => {
      const { refusal } = evaluate(grants, countersOf({ full: [full] })) as {
        readonly refusal: { readonly causes: readonly { readonly rule: string }[] };
      };
      return refusal.causes.map(({ rule }) => rule);
    };
    expect(reasons([...closed, full])).toEqual(Array(8).fill('args'));
    expect(reasons([...closed.slice(0, 7), full])).toEqual([...Array(7).fill('args'), 'uses']);
  });

  it('waits for a person only when no grant allows it, by the first that would', () => {
    const [ask, second, full] = [given(ASKED), given(ASKED), given(COUNTED)];
    expect(evaluate([ask, second], countersOf())).toEqual({ ask: 'approval', grant: ask });
    expect(evaluate([ask, given(COUNTED)], countersOf())).toMatchObject({ allow: true });
    const asked = evaluate([full, ask], countersOf({ full: [full] }));
    expect(asked).toEqual({ ask: 'approval', grant: ask });
  });

  it('asks nobody about a grant that is used up', () => {
    const [full, ask] = [given(withCaveats({ approval: 'required', uses: 1 })), given(ASKED)];
    const counters = countersOf({ full: [full] });
    expect(evaluate([full], counters)).toMatchObject({ allow: false, refusal: { rule: 'uses' } });
    expect(evaluate([full, ask], counters)).toEqual({ ask: 'approval', grant: ask });
  });

  it('goes on with the grant for which a person has agreed, and with no other', () => {
    const [one, two] = [given(ASKED), given(ASKED)];
    const agreed = { ...READ, approved: two.claims.jti };
    expect(evaluate([one, two], countersOf(), agreed)).toEqual({ allow: true, grant: two });
    expect(evaluate([one], countersOf(), agreed)).toEqual({ ask: 'approval', grant: one });
  });

  it('might be allowed where only uses, rate or a person are in question: for lists', () => {
    for (const cap of [COUNTED, PACED]) {
      const grant = given(cap);
      expect(evaluate([grant])).toEqual({ allow: true, grant });
    }
    const ask = given(ASKED);
    expect(evaluate([ask])).toEqual({ ask: 'approval', grant: ask });
  });
});

describe('what a call is about', () => {
  it('is parsed once, and parsed again when a thousand others came between', () => {
    const first = targetOf('tool:files/once');
    expect(targetOf('tool:files/once')).toBe(first);
    for (let index = 0; index < 1023; index += 1) targetOf(`tool:files/other${index}`);
    expect(targetOf('tool:files/once')).not.toBe(undefined);
    for (let index = 0; index < 1024; index += 1) targetOf(`tool:files/more${index}`);
    expect(targetOf('tool:files/once')).not.toBe(first);
    expect(targetOf('tool:files/once')).toEqual(first);
    expect(targetOf('tool:')).toBeUndefined();
  });
});
