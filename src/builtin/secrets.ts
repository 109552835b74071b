/** The tools by which the operator keeps secrets of upstream servers. None ever gives a value. */
import { z } from 'zod';
import type { McpServer } from '../config/index.ts';
import { Secret } from '../core/index.ts';
import { defineTool, secretUses } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import type { SecretListResult, SecretRemoveResult, SecretSetResult } from './results.ts';
import type { SecretStore } from '../secrets/index.ts';

/** What the secret tools need. */
export interface SecretComponents {
  readonly secrets: Pick<SecretStore, 'list' | 'set' | 'remove'>;
  /** The servers of now. */
  servers(): Readonly<Record<string, McpServer>>;
  /** Hears that a secret changed; gives the servers that run on with what it was before. */
  changed(): readonly string[];
}

const name = z.string().min(1).max(64).describe('Name of the secret: A-Z, 0-9 and _.');

/** `secret_set`, `secret_list` and `secret_remove`: for the operator only. */
export function secretTools(components: SecretComponents): readonly BuiltinTool[] {
  const { secrets } = components;
  const usedBy = (secret: string): readonly string[] =>
    secretUses(components.servers()).get(secret) ?? [];
  return [
    defineTool({
      name: 'secret_set',
      title: 'Set a secret',
      description:
        'Keeps a secret, encrypted, that the config file names as ${secret:NAME}. Servers that are started afterwards get it.',
      input: z.object({
        name,
        value: z.string().describe('The secret itself. It is never given out again.'),
        blind: z
          .string()
          .min(16)
          .max(256)
          .describe(
            'Fresh random text: the audit log keeps a hash of these arguments, and without this a short value could be guessed from it.',
          ),
      }),
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'no',
      async run(input): Promise<SecretSetResult> {
        const { replaced } = await secrets.set(input.name, new Secret(input.value));
        const running = components.changed();
        return { name: input.name, replaced, usedBy: usedBy(input.name), running };
      },
    }),
    defineTool({
      name: 'secret_list',
      title: 'List secrets',
      description:
        'The secrets that are kept and those that servers lack: name, when it was set, and which servers use it.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      clients: 'no',
      async run(): Promise<SecretListResult> {
        const kept = await secrets.list();
        const lacking = [...secretUses(components.servers()).keys()]
          .filter((used) => !kept.some((one) => one.name === used))
          .toSorted();
        return {
          secrets: [
            ...kept.map((one) => ({ ...one, usedBy: usedBy(one.name) })),
            ...lacking.map((used) => ({ name: used, usedBy: usedBy(used) })),
          ],
        };
      },
    }),
    defineTool({
      name: 'secret_remove',
      title: 'Remove a secret',
      description: 'Forgets a secret. Servers that run keep it until they end.',
      input: z.object({ name }),
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'no',
      async run(input): Promise<SecretRemoveResult> {
        const removed = await secrets.remove(input.name);
        components.changed();
        return { name: input.name, removed, usedBy: usedBy(input.name) };
      },
    }),
  ];
}
