/** The budget of a scenario: what was acknowledged is never more than it has, and in the end all say the same of it. */
import type { BudgetView } from '../../src/testing.ts';
import type { Claims } from './claims.ts';
import type { Control } from './control.ts';
import type { Plan } from './plan.ts';
import type { WorldNode } from './engines/world.ts';

const NAME = 'pot';
const SPEND_MS = 20_000;
const LOOK_MS = 200;
/** How long nodes may take to hear of the budget, and the books to agree once nothing happens any more. */
const AGREE_WITHIN_MS = 60_000;

/** Nodes that run, by name. */
type Running = ReadonlyMap<string, { readonly node: WorldNode; readonly control: Control }>;

/** Has nodes spend one budget together, and reads their books. */
export class BudgetBook {
  readonly #budget: Plan['budget'];
  readonly #underWay = new Set<Promise<void>>();
  #acked = 0;
  #refused = 0;
  #views: readonly (BudgetView | undefined)[] = [];

  constructor(budget: Plan['budget']) {
    this.#budget = budget;
  }

  /** The first node makes it, and lets the others hold rights. Rejects where one does not hear of it in time. */
  async make(running: Running): Promise<void> {
    if (this.#budget === undefined) return;
    const [founder, ...others] = running.values();
    if (founder === undefined) return;
    const limit = `${this.#budget.limit} calls`;
    await founder.control.builtin('budget_create', { name: NAME, limit });
    for (const { node } of others) {
      await founder.control.builtin('budget_grant', { name: NAME, peer: node.peerId });
    }
    const deadline = performance.now() + AGREE_WITHIN_MS;
    for (const { control } of others) {
      while ((await show(control)) === undefined) {
        if (performance.now() > deadline) throw new Error('a node does not hear of the budget');
        await sleep(LOOK_MS);
      }
    }
  }

  /** Spends one, where the node runs. */
  spend(control: Control | undefined): void {
    if (control === undefined) return;
    const work = this.#spend(control).finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  /** Resolves when all that run say the same, or the time for that is over. */
  async over(running: Running): Promise<void> {
    if (this.#budget === undefined) return;
    await Promise.all(this.#underWay);
    const deadline = performance.now() + AGREE_WITHIN_MS;
    do {
      const asked = [...running.values()].map(({ control }) => show(control));
      this.#views = await Promise.all(asked);
      if (this.#doAgree()) return;
      await sleep(LOOK_MS);
    } while (performance.now() < deadline);
  }

  /** Adds the claims that are always held, and the figures, where something was to be spent. */
  judge(claims: Claims, figures: Record<string, number>): void {
    if (this.#budget === undefined) return;
    const { limit } = this.#budget;
    const [first] = this.#views;
    const booked = (first?.spent ?? 0) + (first?.held ?? 0);
    const rights = (first?.nodes ?? []).reduce((sum, one) => sum + one.rights, 0);
    figures['spent'] = this.#acked;
    figures['spendsRefused'] = this.#refused;
    const add = (claim: string, pass: boolean, measured: number, bar: number): void =>
      claims.add({ claim, pass, measured, limit: bar });
    add('spent of the budget', this.#acked <= limit, this.#acked, limit);
    add('booked of what was spent', booked >= this.#acked, booked, this.#acked);
    add('rights, spent and held together', rights + booked === limit, rights + booked, limit);
    add('nodes whose books differ', this.#doAgree(), this.#differing(), 0);
  }

  async #spend(control: Control): Promise<void> {
    const end = await control.call('starling__budget_report', { name: NAME, amount: 1 }, SPEND_MS);
    if (end.kind === 'answer') this.#acked += 1;
    else this.#refused += 1;
  }

  #doAgree(): boolean {
    return this.#views[0] !== undefined && this.#differing() === 0;
  }

  #differing(): number {
    const [first, ...others] = this.#views.map(summaryOf);
    return others.filter((one) => one !== first).length;
  }
}

async function show(control: Control): Promise<BudgetView | undefined> {
  const end = await control.call('starling__budget_show', { name: NAME }, SPEND_MS);
  return end.kind === 'answer' ? (end.structured as BudgetView) : undefined;
}

/** Without what depends on who says it. */
function summaryOf(view: BudgetView | undefined): string {
  const rows = (view?.nodes ?? []).map(({ did, rights, spent, held }) =>
    [did, rights, spent, held].join(' '),
  );
  return JSON.stringify([view?.spent, view?.held, rows.toSorted()]);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
