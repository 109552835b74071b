/** The tools `context_*`: the conversations of this node's agents, for its operator. */
import { z } from 'zod';
import { StarlingError } from '../core/index.ts';
import type { Clock, Did } from '../core/index.ts';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinContext, BuiltinTool } from '../gateway/index.ts';
import type { Principal } from '../guard/index.ts';
import type { Models } from '../models/index.ts';
import type { Contexts } from './contexts.ts';
import { unknown } from './context-errors.ts';
import { writeSummary } from './summary.ts';
import type { ContextContent, ContextEnd, ContextInfo, ContextListResult } from './types.ts';
import { clientIn } from './views.ts';

/** What the tools work with. */
export interface ContextToolsComponents {
  readonly contexts: Contexts;
  readonly models: Pick<Models, 'ask'>;
  /** The node that a person means. @throws STARLING_PEER_UNKNOWN, … */
  didOf(reference: string): Did;
  readonly clock: Clock;
}

const id = z.string().min(1).max(64).describe('As context_list has it.');

/** `context_list` and `_show`, which give clients what they are shown, and `_share`, `_summarise` and `_delete`; none for peers. */
export function contextTools(
  components: ContextToolsComponents,
  init: { readonly messageBytes: number },
): readonly BuiltinTool[] {
  const { contexts } = components;
  const didOf = (peer: string): Did => components.didOf(peer);
  return [
    ...lookTools(contexts),
    defineTool({
      name: 'context_share',
      title: 'Show a conversation to somebody',
      description:
        'Shows a conversation to a peer or a client of this node from now on: all of it, its last lines, its summary alone, or nothing any more.',
      input: z.object({
        id,
        to: z
          .string()
          .min(1)
          .max(256)
          .describe(
            'Alias, PeerId or did:key of a peer; client:<name> of a client of this node, agent:<name> of an agent that it runs.',
          ),
        view: z.enum(['full', 'last', 'summary', 'none']),
        last: z.number().int().min(1).max(500).optional().describe('Lines, where `view` is last.'),
      }),
      hints: { destructiveHint: false },
      clients: 'no',
      run: ({ id: of, to, view, last = 20 }): Promise<ContextInfo> =>
        contexts.share(of, clientIn(to) ?? didOf(to), view === 'last' ? { last } : view),
    }),
    defineTool({
      name: 'context_summarise',
      title: 'Summarise a conversation',
      description:
        'Has a model write what stands for the lines of a conversation so far; its agent is reminded of that in place of the lines, which stay.',
      input: z.object({ id, model: z.string().min(1).max(300) }),
      hints: { destructiveHint: false },
      clients: 'no',
      waits: true,
      run: (input, context): Promise<ContextInfo> => summarise(components, init, input, context),
    }),
    defineTool({
      name: 'context_delete',
      title: 'Delete a conversation',
      description:
        'Deletes a conversation: its keys are destroyed here, and taken from the nodes that it is shown to, from those that are away once they come back.',
      input: z.object({ id }),
      hints: { destructiveHint: true },
      clients: 'no',
      run: (input): Promise<ContextEnd> => contexts.delete(input.id),
    }),
  ];
}

function lookTools(contexts: Contexts): readonly BuiltinTool[] {
  return [
    defineTool({
      name: 'context_list',
      title: 'List conversations',
      description:
        'Conversations of agents of this node, and those that other nodes show this one; for a client, those that it is shown.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      clients: 'yes',
      run: async (_, { principal }): Promise<ContextListResult> => ({
        contexts: await (isOperator(principal) ? contexts.list() : contexts.listFor(principal)),
      }),
    }),
    defineTool({
      name: 'context_show',
      title: 'Show a conversation',
      description:
        'A conversation with what was said, as far as it is kept here or shown to the caller.',
      input: z.object({ id }),
      hints: { readOnlyHint: true },
      clients: 'yes',
      run: (input, { principal }): Promise<ContextContent> =>
        shownTo(contexts, principal, input.id),
    }),
  ];
}

async function summarise(
  { clock, contexts, models }: ContextToolsComponents,
  { messageBytes }: { readonly messageBytes: number },
  { id: of, model }: { readonly id: string; readonly model: string },
  { principal, signal }: BuiltinContext,
): Promise<ContextInfo> {
  const read = await contexts.unsummarised(of);
  const { before, lines } = read;
  if (lines.length === 0) {
    throw new StarlingError('STARLING_USAGE', 'its summary stands for all that was said', {
      hint: `see it: starling context show ${of}`,
    });
  }
  const summary = await writeSummary(
    { models, clock, messageBytes },
    { model, principal, signal, before, lines },
  );
  return contexts.summarised(of, summary, read);
}

/** What the caller may see of it. @throws STARLING_CONTEXT_UNKNOWN, also where it may see nothing */
async function shownTo(
  contexts: Contexts,
  principal: Principal,
  of: string,
): Promise<ContextContent> {
  if (isOperator(principal)) return contexts.show(of);
  const shown = await contexts.showTo(principal, of);
  if (shown === undefined) throw unknown(of);
  return shown;
}

function isOperator({ kind }: Principal): boolean {
  return kind === 'operator';
}
