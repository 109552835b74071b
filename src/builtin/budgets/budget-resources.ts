/** Budgets as resources: `budget://<name or id>` is one, with updates when its books change. */
import type { Budgets } from '../../budget/index.ts';
import { StarlingError } from '../../core/index.ts';
import type { BuiltinTemplate } from '../../gateway/index.ts';

const SCHEME = 'budget://';
/** Updates of one watched budget come no faster. */
const PACE_MS = 200;

/** The template of budgets. */
export function budgetResources({
  budgets,
}: {
  readonly budgets: Budgets;
}): readonly BuiltinTemplate[] {
  const idIn = (uri: string): string | undefined => {
    if (!uri.startsWith(SCHEME)) return undefined;
    try {
      return budgets.idOf(decodeURIComponent(uri.slice(SCHEME.length)));
    } catch (error) {
      if (error instanceof StarlingError || error instanceof URIError) return undefined;
      throw error;
    }
  };
  return [
    {
      definition: {
        uriTemplate: `${SCHEME}{name}`,
        name: 'budget',
        description:
          'One budget: limit, spent, held, what is free here, and the rights of each node.',
        mimeType: 'application/json',
      },
      async read(uri) {
        const id = idIn(uri);
        return id === undefined ? undefined : JSON.stringify(budgets.show(id));
      },
      async watch(uri, _, changed) {
        const id = idIn(uri);
        return id === undefined ? undefined : budgets.watch(id, changed, PACE_MS);
      },
    },
  ];
}
