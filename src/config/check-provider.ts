/** Checks one entry of `models.providers` before it is written to a file. */
import { misfitWords } from '../core/index.ts';
import { readModelProviders } from './model-providers.ts';
import { modelsSchema } from './schema/models-schema.ts';
import { providerView } from './provider-view.ts';
import type { ProviderView } from './provider-view.ts';

/** Time of a call where nobody says another; which one does not matter to the check. */
const CALL_TIMEOUT_MS = 60_000;

/** What is wrong with an entry, and what it means. */
export interface ProviderCheck {
  /** One sentence each, without any value; none when the entry can be used. */
  readonly problems: readonly string[];
  /** Variables that the entry uses and `env` lacks. The node may have them in its own environment. */
  readonly unset: readonly string[];
  /** As it is shown, but for the names of problems; absent where the entry can't be read. */
  readonly view?: ProviderView;
}

/** Checks `entry` as the node would when it reads it under `name`. */
export function checkModelProvider(
  name: string,
  entry: unknown,
  env: NodeJS.ProcessEnv,
): ProviderCheck {
  const parsed = modelsSchema.safeParse({ providers: { [name]: entry } });
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) =>
      [issue.path.slice(2).map(String).join('.'), misfitWords(issue)]
        .filter((part) => part !== '')
        .join(': '),
    );
    return { problems, unset: [] };
  }
  const unset = unsetIn(entry, env);
  const known = Object.fromEntries(unset.map((variable) => [variable, 'set']));
  const init = { env: { ...env, ...known }, callTimeoutMs: CALL_TIMEOUT_MS };
  const read = readModelProviders(parsed.data.providers, init)[name];
  if (read === undefined) return { problems: [], unset };
  const problems = read.problems.map((text) => text.slice(`models.providers.${name}.`.length));
  return { problems, unset, view: providerView(name, read) };
}

/** The variable of `keyFrom` that is not set here. */
function unsetIn(entry: unknown, env: NodeJS.ProcessEnv): readonly string[] {
  const keyFrom = (entry as { readonly keyFrom?: unknown }).keyFrom;
  const [, name = ''] = /^env:(.+)$/.exec(typeof keyFrom === 'string' ? keyFrom : '') ?? [];
  return name === '' || (env[name] ?? '') !== '' ? [] : [name];
}
