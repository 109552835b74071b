/** `starling secret list` */
import type { SecretListResult } from '../../../builtin/results.ts';
import { ago, printData, table } from '../../terminal/output.ts';
import { nodeOrFolder } from '../../node/secret-access.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Prints the secrets by name, and those that servers lack. */
export async function run(options: CommonOptions): Promise<void> {
  const result = await nodeOrFolder<SecretListResult>(options, {
    node: (node) => node.builtin('secret_list'),
    folder: async (secrets, findUses) => {
      const [kept, uses] = [await secrets.list(), await findUses()];
      const lacking = [...uses.keys()].filter((name) => !kept.some((one) => one.name === name));
      return {
        secrets: [...kept, ...lacking.toSorted().map((name) => ({ name }))].map((one) => ({
          ...one,
          usedBy: uses.get(one.name) ?? [],
        })),
      };
    },
  });
  printData(result, options.json === true, () =>
    result.secrets.length === 0
      ? 'no secrets are kept; set one with: starling secret set <name>'
      : table(
          ['NAME', 'SET', 'USED BY'],
          result.secrets.map(({ name, setAt, usedBy }) => [
            name,
            setAt === undefined ? 'not set' : ago(setAt),
            usedBy.length === 0 ? '–' : usedBy.join(', '),
          ]),
          { flexible: 2, wrap: true },
        ),
  );
}
