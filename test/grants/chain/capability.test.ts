/** What one capability gives beyond its words: a task to whoever may write, a budget against which a call counts. */
import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../../src/core/index.ts';
import {
  allows,
  attenuates,
  budgetOf,
  limitsOf,
  namesBudget,
  whyVoid,
} from '../../../src/grants/chain/capability.ts';
import { parseTarget } from '../../../src/grants/index.ts';
import type { Capability } from '../../../src/grants/index.ts';
import { READ } from '../arrange.ts';

const READER = parseTarget('tool:files/read_file');
const WRITER = parseTarget('tool:files/write_file');
const CRITIC = parseTarget('agent:critic');

const withCaveats = (caveats: Record<string, Json>, resource = READ.resource): Capability => ({
  resource,
  ability: 'tool/call',
  caveats,
});
const grantOf = (...cap: Capability[]): { claims: { cap: readonly Capability[] } } => ({
  claims: { cap },
});

describe('whoever may write to an agent', () => {
  const message: Capability = { resource: 'agent:critic', ability: 'agent/message' };
  const task: Capability = { resource: 'agent:critic', ability: 'agent/task' };
  const says = (one: Capability, ability: string, args?: JsonObject): unknown =>
    allows(one, ability, CRITIC, args === undefined ? {} : { args });

  it('may give it a task, and not the other way round', () => {
    expect(says(message, 'agent/task')).toEqual({ allow: true });
    expect(says(message, 'agent/message')).toEqual({ allow: true });
    expect(says(task, 'agent/message')).toEqual({ allow: false });
    expect(says(message, 'agent/spawn')).toEqual({ allow: false });
    expect(says({ ...message, ability: 'tool/call' }, 'agent/task')).toEqual({ allow: false });
    expect(says({ ...message, ability: '*' }, 'agent/task')).toEqual({ allow: true });
  });

  it('may hand on the right to give tasks alone', () => {
    expect(attenuates(message, task)).toBe(true);
    expect(attenuates(task, message)).toBe(false);
    expect(attenuates(task, { ...task, ability: 'tool/call' })).toBe(false);
    expect(attenuates(message, { ...message, ability: 'agent/spawn' })).toBe(false);
  });

  it('may give no task where it is said what a message must be', () => {
    const plain: Capability = { ...message, caveats: { args: { type: { const: 'query' } } } };
    expect(says(plain, 'agent/message', { type: 'query' })).toEqual({ allow: true });
    expect(says(plain, 'agent/task', { type: 'query' })).toEqual({ allow: false });
    expect(says(plain, 'agent/task')).toEqual({ allow: false });
    // Other conditions bind a task as they bind a message.
    const counted: Capability = { ...message, caveats: { uses: 2 } };
    expect(says(counted, 'agent/task')).toMatchObject({ allow: true, needs: { uses: 2 } });
    const own: Capability = { ...task, caveats: { args: { goal: { prefix: 'sum' } } } };
    expect(says(own, 'agent/task', { goal: 'sum up' })).toEqual({ allow: true });
    expect(says(own, 'agent/task', { goal: 'delete' })).toMatchObject({
      refusal: { rule: 'args' },
    });
  });
});

describe('the budget of a call', () => {
  const paid = withCaveats({ budget: { id: 'team', max: 5 } });
  const dear = withCaveats({ budget: { id: 'boss' } }, 'tool:files/*');
  const free = withCaveats({}, 'tool:files/read_file');
  const of = (caps: readonly Capability[], target = READER, args?: JsonObject): unknown =>
    budgetOf(grantOf(...caps), 'tool/call', target, args === undefined ? {} : { args });

  it('is that of the first capability that allows the call', () => {
    expect(of([paid])).toEqual({ id: 'team', max: 5 });
    expect(of([paid, dear])).toEqual({ id: 'team', max: 5 });
    expect(of([dear, paid])).toEqual({ id: 'boss' });
    expect(of([paid, dear], WRITER)).toEqual({ id: 'boss' });
  });

  it('is none where the grant allows the call without one, or not at all', () => {
    expect(of([paid, free])).toBeUndefined();
    expect(of([free, paid])).toBeUndefined();
    expect(of([free])).toBeUndefined();
    expect(of([paid], WRITER)).toBeUndefined();
    expect(of([])).toBeUndefined();
  });

  it('is that of who pays where what is free does not fit the call', () => {
    const freeHere = withCaveats({ args: { path: { const: '/a' } } }, 'tool:files/read_file');
    expect(of([freeHere, paid], READER, { path: '/a' })).toBeUndefined();
    expect(of([freeHere, paid], READER, { path: '/b' })).toEqual({ id: 'team', max: 5 });
  });

  it('is looked for in no grant that names none', () => {
    expect(namesBudget(grantOf(free, paid))).toBe(true);
    expect(namesBudget(grantOf(free, READ))).toBe(false);
    expect(namesBudget(grantOf())).toBe(false);
  });
});

describe('what a capability counts, and why it is void', () => {
  it('is read once and told', () => {
    const limited = withCaveats({ uses: 3, rate: { per_s: 2, burst: 5 } });
    expect(limitsOf(limited)).toMatchObject({ uses: 3, rate: { burst: 5 } });
    expect(limitsOf(limited)).toBe(limitsOf(limited));
    expect(Object.keys(limitsOf(READ))).toEqual([]);
    expect(Object.keys(limitsOf(withCaveats({ uses: 3 })))).toEqual(['uses']);
    expect(whyVoid(READ)).toBeUndefined();
    expect(whyVoid(withCaveats({ moon: 'full' }))).toMatch(/moon.* is not known here/);
  });
});
