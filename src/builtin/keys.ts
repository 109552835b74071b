/** The tools by which the operator gives HTTP clients keys of their own, each with its scopes. */
import { z } from 'zod';
import type { Clock } from '../core/index.ts';
import type { ApiKey, ApiKeys, BuiltinTool } from '../gateway/index.ts';
import { FULL_SCOPE } from '../guard/index.ts';
import type { KeyCreateResult, KeyListResult, KeyRevokeResult, KeySummary } from './results.ts';
import { defineTool } from '../gateway/index.ts';

/** No key outlives this, unless it has no end at all. */
const EXPIRES_MAX_S = 3650 * 86_400;

/** What the key tools need. */
export interface KeyComponents {
  readonly clock: Clock;
  readonly keys: Pick<ApiKeys, 'create' | 'list' | 'revoke'>;
}

/** `key_create`, `key_list` and `key_revoke`: for the operator only. */
export function keyTools(components: KeyComponents): readonly BuiltinTool[] {
  const { clock, keys } = components;
  return [
    defineTool({
      name: 'key_create',
      title: 'Create an API key',
      description:
        'Makes a key with which an HTTP client may use what its scopes cover, and nothing else. The key is shown this once.',
      input: z.object({
        name: z.string().min(1).max(32).describe('What the key is called: a-z, 0-9 and -.'),
        scopes: z
          .array(z.string().min(1).max(512))
          .min(1)
          .max(64)
          .optional()
          .describe(
            'What it may use: `tool:files/*`, `tool:@alice/files/*` (of a peer), `resource:files/**`, `prompt:files/*`, or `*` for all but the server starling. Default `*`.',
          ),
        expires_s: z
          .number()
          .positive()
          .max(EXPIRES_MAX_S)
          .optional()
          .describe('Lifetime in seconds; default: until it is revoked.'),
      }),
      hints: { destructiveHint: false },
      clients: 'no',
      async run(input): Promise<KeyCreateResult> {
        const { key, info } = await keys.create({
          name: input.name,
          scopes: input.scopes ?? [FULL_SCOPE],
          ...(input.expires_s === undefined
            ? {}
            : { expiresAt: clock.now() + Math.round(input.expires_s * 1000) }),
        });
        return { key: key.reveal(), info: summarise(info, clock.now()) };
      },
    }),
    defineTool({
      name: 'key_list',
      title: 'List API keys',
      description: 'All API keys, newest first: name, scopes, and when each was used last.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      clients: 'no',
      run: (): KeyListResult => ({ keys: keys.list().map((key) => summarise(key, clock.now())) }),
    }),
    defineTool({
      name: 'key_revoke',
      title: 'Revoke an API key',
      description: 'Ends an API key at once. Takes its name or id.',
      input: z.object({ key: z.string().min(1).max(64).describe('Name or id of the key.') }),
      hints: { destructiveHint: true, idempotentHint: true },
      clients: 'no',
      async run(input): Promise<KeyRevokeResult> {
        return { revoked: summarise(await keys.revoke(input.key), clock.now()) };
      },
    }),
  ];
}

function summarise(key: ApiKey, now: number): KeySummary {
  const isOver = key.expiresAt !== undefined && key.expiresAt <= now;
  return { ...key, state: isOver ? 'expired' : 'valid' };
}
