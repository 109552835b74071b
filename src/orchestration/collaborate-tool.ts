/** `ai_collaborate`: PacketFlow's `ai:collaborate`, with its fields. */
import { z } from 'zod';
import { defineTool } from '../gateway/index.ts';
import type { BuiltinTool } from '../gateway/index.ts';
import {
  PARTICIPANTS_MAX,
  ROUNDS,
  ROUNDS_MAX,
  TOGETHER_MAX_MS,
  TOGETHER_MS,
  TURN_MS,
} from './collaboration-limits.ts';
import { MODES } from './collaboration.ts';
import type { CollaborateResult, Collaborations } from './collaboration.ts';
import { DESCRIPTION_MAX } from './limits.ts';

const text = z.string().min(1).max(256);
const seconds = (maxMs: number): z.ZodOptional<z.ZodNumber> =>
  z
    .number()
    .positive()
    .max(maxMs / 1000)
    .optional();

/** `ai_collaborate`. */
export function collaborateTool({
  collaborations,
}: {
  readonly collaborations: Collaborations;
}): BuiltinTool {
  return defineTool({
    name: 'ai_collaborate',
    title: 'Have agents work together',
    description:
      'Agents work on one task by turns, with a context that they share on a board: hierarchical, where the first plans and concludes and the others work, or peer-to-peer, until all say that it is done. Waits for the end, which bounds bring in any case.',
    input: z.object({
      participants: z
        .array(text)
        .min(2)
        .max(PARTICIPANTS_MAX)
        .describe('Agents: <name>, or <name>@<node>. The first leads a hierarchical one.'),
      task: z.string().min(1).max(DESCRIPTION_MAX),
      coordination_mode: z.enum(MODES).optional().describe('Default hierarchical.'),
      shared_context: z
        .record(z.string().max(128), z.json())
        .optional()
        .describe('What all of them know; they may add to that.'),
      rounds: z.number().int().min(1).max(ROUNDS_MAX).optional().describe(`Default ${ROUNDS}.`),
      turn_timeout: seconds(TOGETHER_MAX_MS).describe(
        `Seconds that one may take for its turn; default ${TURN_MS / 1000}.`,
      ),
      timeout: seconds(TOGETHER_MAX_MS).describe(
        `Seconds that all of it may take; default ${TOGETHER_MS / 1000}.`,
      ),
      agent_id: text.optional().describe('Who asks: a label.'),
      reasoning: z.string().max(DESCRIPTION_MAX).optional().describe('Why.'),
    }),
    hints: { destructiveHint: false },
    clients: 'yes',
    onTop: true,
    waits: true,
    run(input, { principal, signal }): Promise<CollaborateResult> {
      const { coordination_mode: mode = 'hierarchical', participants, task, timeout } = input;
      return collaborations.collaborate(
        principal,
        {
          participants,
          task,
          mode,
          context: input.shared_context ?? {},
          rounds: input.rounds ?? ROUNDS,
          turnMs: input.turn_timeout === undefined ? TURN_MS : input.turn_timeout * 1000,
          timeoutMs: timeout === undefined ? TOGETHER_MS : timeout * 1000,
        },
        signal,
      );
    },
  });
}
