/** Examples of budgets, which two nodes spend, and of which one is put out of the mesh. */
import type { NodeProcess } from '../../../sim/process.ts';
import { builtin, eventually } from '../support.ts';
import type { Step } from './step.ts';

interface Listed {
  readonly budgets: readonly { readonly name: string; readonly free: number }[];
}

/** The steps, in their order, up to where the peer `laptop` is put out. */
export const budgetSteps = (bob: () => NodeProcess): Readonly<Record<string, Step>> => ({
  'starling budget create research --limit 20usd --share laptop=5usd': {
    at: 'alice',
    printed: /research/,
  },
  'starling budget show research': { at: 'alice', printed: /laptop/ },
  "starling budget create claude --limit '$10/day' --for client:claude-code": {
    at: 'alice',
    printed: /claude/,
  },
  'starling budget list': { at: 'alice', printed: /claude[^]*research|research[^]*claude/ },
  'starling budget grant research laptop': { at: 'alice', put: { laptop: 'bob' }, printed: /bob/ },
  'starling budget give research laptop 5usd': {
    at: 'alice',
    put: { laptop: 'bob' },
    printed: /bob/,
  },
  'starling budget request research 1usd': {
    at: 'alice',
    before: () =>
      eventually(
        'bob knows what it was given',
        () => builtin<Listed>(bob(), 'budget_list'),
        ({ budgets }) => budgets.some(({ name, free }) => name === 'research' && free > 0),
      ),
    printed: /bob/,
  },
  'starling budget rebalance research': { at: 'alice', printed: /research/ },
  'starling budget history research': { at: 'alice', printed: /gave[^]*bob|bob[^]*gave/ },
  // What was lost: nothing.
  'starling budget reclaim research --reconcile 0.10usd': {
    at: 'alice',
    put: { '0.10usd': '0usd' },
    printed: /research/,
  },
});

/** When the peer `laptop` was put out. */
export const RECLAIM_STEPS: Readonly<Record<string, Step>> = {
  'starling budget reclaim research laptop': {
    at: 'alice',
    put: { 'research laptop': 'research anna-laptop --yes' },
    printed: /research/,
  },
  'starling budget close research': { at: 'alice', printed: /closed/ },
};
