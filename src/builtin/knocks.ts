/** The tools by which the operator answers nodes that ask to be let into the mesh. */
import { z } from 'zod';
import type { BuiltinTool } from '../gateway/index.ts';
import { defineTool } from '../gateway/index.ts';
import type { Knock, Knocks } from '../mesh/index.ts';
import type { InviteResult, KnockAnswerResult, KnockListResult, KnockSummary } from './results.ts';

/** How long a node that is let in has to come, ms. */
const TICKET_MS = 600_000;

/** What the tools need. */
export interface KnockToolComponents {
  readonly knocks: Pick<Knocks, 'answer' | 'waiting'>;
  createTicket(init: {
    expiresInMs: number;
    canInvite: boolean;
    uses: number;
  }): Promise<InviteResult>;
}

/** `knock_list` and `knock_answer`. */
export function knockTools(components: KnockToolComponents): readonly BuiltinTool[] {
  const { knocks } = components;
  return [
    defineTool({
      name: 'knock_list',
      title: 'Who asks to join',
      description:
        'Nodes of this network that ask to be let into the mesh: what each calls itself, the four words of its key, and its address.',
      input: z.object({}),
      hints: { readOnlyHint: true },
      clients: 'no',
      run: (): KnockListResult => ({ knocks: knocks.waiting().map(summaryOf) }),
    }),
    defineTool({
      name: 'knock_answer',
      title: 'Let a node in, or refuse it',
      description:
        'Answers a node that asks to join the mesh. Compare the four words with those that the other machine shows before you let it in.',
      input: z.object({
        who: z
          .string()
          .min(1)
          .max(128)
          .describe('Its name, its four words, or the end of its PeerId.'),
        admit: z.boolean().describe('True lets it in, false refuses it.'),
        can_invite: z.boolean().optional().describe('May it invite others? Default true.'),
      }),
      hints: { destructiveHint: false },
      clients: 'no',
      async run({ who, admit, can_invite: canInvite = true }): Promise<KnockAnswerResult> {
        const makeTicket = async (): Promise<string> =>
          (await components.createTicket({ expiresInMs: TICKET_MS, canInvite, uses: 1 })).ticket;
        const knock = await knocks.answer(who, admit ? makeTicket : undefined);
        return { ...summaryOf(knock), admitted: admit };
      },
    }),
  ];
}

function summaryOf({ name, peerId, fingerprint, address, at }: Knock): KnockSummary {
  return { name, peerId, fingerprint, address, at };
}
